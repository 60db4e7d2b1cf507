"""Would it be faster to compute only the experts that a token goes to? It is why :class:`MixtureLinear` does not."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from flowedit_grag.lora_moe.layer import gate

from .overhead import ratios


@dataclass(frozen=True)
class Experts:
    """Of one layer: ``a`` ``[experts, rank, in]``, ``b`` ``[experts, out, rank]``, ``route`` ``[experts, in]``."""

    a: Tensor
    b: Tensor
    route: Tensor

    @classmethod
    def drawn(cls, experts: int, rank: int, into: int, out: int, device: torch.device | str = "cpu") -> "Experts":
        """Random ones, float32."""
        noise = torch.Generator().manual_seed(0)
        shapes = (experts, rank, into), (experts, out, rank), (experts, into)
        return cls(*(torch.randn(*shape, generator=noise).to(device) for shape in shapes))

    def all_of_them(self, x: Tensor) -> Tensor:
        """``[tokens, out]`` of ``x`` ``[tokens, in]`` as the product does it: two matrix products, a gate between."""
        weights = gate(x @ self.route.T, 1, "softmax_then_topk")
        middle = (x @ self.a.flatten(0, 1).T).unflatten(-1, (len(self.a), -1)) * weights[..., None]
        return middle.flatten(-2) @ self.b.transpose(0, 1).flatten(1).T

    def only_the_chosen(self, x: Tensor) -> Tensor:
        """The same number by gathering every expert's tokens."""
        weight, chosen = (x @ self.route.T).softmax(dim=-1).max(dim=-1)
        result = x.new_zeros(len(x), self.b.shape[1])
        for index, (a, b) in enumerate(zip(self.a, self.b, strict=True)):
            rows = (chosen == index).nonzero()[:, 0]
            result[rows] = (x[rows] @ a.T * weight[rows, None]) @ b.T
        return result


@torch.no_grad()
def sparse_over_dense(experts: Experts, tokens: int, repeats: int = 15) -> float:
    """Time of :meth:`Experts.only_the_chosen` over that of :meth:`Experts.all_of_them`, the median of ``repeats``."""
    x = torch.randn(tokens, experts.a.shape[-1], generator=torch.Generator().manual_seed(1)).to(experts.a.device)
    sparse, dense = partial(experts.only_the_chosen, x), partial(experts.all_of_them, x)
    sparse(), dense()
    return ratios([sparse], dense, repeats)[0]
