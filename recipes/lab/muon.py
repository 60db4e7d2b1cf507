"""Muon (Jordan et al., 2024: https://kellerjordan.github.io/posts/muon): momentum, made orthogonal.

``torch.optim.Muon`` computes in bfloat16, matrix by matrix, which on a CPU without bfloat16 arithmetic takes longer
than the training step itself. This one computes in float32 unless told otherwise, and handles matrices of one shape
together.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the published quintic iteration
ITERATIONS = 4


class Muon(torch.optim.Optimizer):
    """Steps of root mean square ``0.2 * lr``, so that AdamW's learning rates suit it (arXiv:2502.16982, eq. 4).

    Takes parameters that are matrices; give the others to AdamW. Raises ``ValueError`` for anything else.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ):  # fmt: skip
        self.dtype = dtype
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        if any(p.ndim != 2 for group in self.param_groups for p in group["params"]):
            raise ValueError("Muon takes matrices only")

    @torch.no_grad()
    def step(self, closure=None):
        """One step for every parameter that has a gradient."""
        for group in self.param_groups:
            alike = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.shape].append(p)
            for shape, params in alike.items():
                updates = orthogonal(torch.stack([self._momentum(p, group["momentum"]) for p in params]), self.dtype)
                size = 0.2 * max(shape) ** 0.5
                for p, update in zip(params, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * size)

    def _momentum(self, p: Tensor, momentum: float) -> Tensor:
        """Nesterov's."""
        buffer, gradient = self.state[p].setdefault("momentum", torch.zeros_like(p)), p.grad
        assert gradient is not None
        buffer.lerp_(gradient, 1 - momentum)
        return torch.lerp(gradient, buffer, momentum)


def orthogonal(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """``[..., m, n]`` with all singular values drawn towards 1 (within about 0.7 and 1.2), computed in ``dtype``."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.flatten(-2).norm(dim=-1).clamp(min=1e-12)[..., None, None]
    x = x.to(dtype)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)
