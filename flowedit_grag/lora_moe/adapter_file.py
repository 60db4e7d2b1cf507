"""What is in an adapter file: the published LoRA-MoE layout or plain LoRA, told apart by their keys."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from .metadata import opened

KEY = re.compile(
    r"transformer\.(?P<module>.+)\.(?:lora_(?P<side>[AB])(?:\.expert_(?P<expert>\d{1,9}))?|(?P<route>lora_route))\.weight"
)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
LONGEST = 300  # characters of a name
MIXTURE_WORDS = ("expert", "route", "gate")


@dataclass
class ModuleWeights:
    """One module's adapter: an expert each in ``a`` ``[rank, in]`` and ``b`` ``[out, rank]``; plain LoRA has one, and
    may have a ``bias`` and, as DoRA, a ``magnitude`` ``[out]``."""

    a: dict[int, Tensor] = field(default_factory=dict)
    b: dict[int, Tensor] = field(default_factory=dict)
    route: Tensor | None = None  # [experts, in]
    bias: Tensor | None = None
    magnitude: Tensor | None = None

    @property
    def rank(self) -> int:
        return len(next(iter(self.a.values())))

    def problem(self) -> str | None:
        """What is wrong with it, if anything."""
        if not self.a or sorted(self.a) != sorted(self.b) or sorted(self.a) != list(range(len(self.a))):
            return "its experts are not complete"
        shapes = {tuple(tensor.shape) for tensor in (*self.a.values(), *self.b.values())}
        if any(len(shape) != 2 for shape in shapes):
            return f"its weights are no matrices: {sorted(shapes)}"
        if len({a.shape for a in self.a.values()}) > 1 or len({b.shape for b in self.b.values()}) > 1:
            return "its experts differ in shape"
        if (down := self.a[0].shape[0]) != (up := self.b[0].shape[1]):
            return f"it goes down to rank {down} and up from rank {up}"
        if self.route is None and len(self.a) > 1:
            return "it has experts and no router"
        if self.route is not None and self.route.shape != (len(self.a), self.a[0].shape[1]):
            return f"its router is {list(self.route.shape)} for {len(self.a)} experts of width {self.a[0].shape[1]}"
        return None

    def stacked(self, name: str, biased: bool) -> dict[str, Tensor]:
        """As the layer holds it for the adapter called ``name``; where others are ``biased``, with a bias."""
        a, b = ([side[expert] for expert in range(len(side))] for side in (self.a, self.b))
        tensors = {f"lora_A.{name}.weight": torch.cat(a), f"lora_B.{name}.weight": torch.cat(b, 1)}
        if biased:
            tensors[f"lora_B.{name}.bias"] = b[0].new_zeros(len(b[0])) if self.bias is None else self.bias
        more = {"lora_route": self.route, "lora_magnitude_vector": self.magnitude}
        return tensors | {f"{key}.{name}.weight": tensor for key, tensor in more.items() if tensor is not None}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """What a file holds. Raises :class:`InputError` for weights that are not finite, or no adapter's kind."""
    with opened(path) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
    for key, tensor in tensors.items():
        if len(key) > LONGEST or not key.isprintable():
            raise InputError(f"{path} is no adapter: it has weights of the name {key[:LONGEST]!r}.")
        if tensor.dtype not in DTYPES:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(f"{path} has weights in {kind}, not float32, float16 or bfloat16, in {key!r}.")
        if not torch.isfinite(tensor).all():
            raise InputError(f"{path} has weights that are not finite, in {key!r}.")
    return tensors


def is_published(keys: Iterable[str]) -> bool:
    """Whether the keys are in the published layout, of experts or plain."""
    return all(KEY.fullmatch(key) for key in keys)


def adapter_weights(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, ModuleWeights]:
    """The adapter by module name. Raises :class:`InputError` for tensors that are not an adapter's."""
    modules: dict[str, ModuleWeights] = defaultdict(ModuleWeights)
    for key, tensor in tensors.items():
        found = KEY.fullmatch(key)
        if found is None:
            raise InputError(_foreign(path, key, tensors))
        weights, expert = modules[found["module"]], int(found["expert"] or 0)
        if found["route"]:
            weights.route = tensor
            continue
        side = weights.a if found["side"] == "A" else weights.b
        if expert in side:
            raise InputError(f"{path} has plain LoRA and experts for one module, {found['module']}.")
        side[expert] = tensor
    if not modules:
        raise InputError(f"{path} is empty; it is not an adapter.")
    for module, weights in modules.items():
        if problem := weights.problem():
            raise InputError(f"{path} is not a complete adapter: of {module}, {problem}.")
    return dict(modules)


def is_mixture(keys: Iterable[str]) -> bool:
    """Whether the keys of an adapter speak of experts, in whatever layout."""
    return any(word in key for key in keys for word in MIXTURE_WORDS)


def _foreign(path: Path, key: str, keys: Iterable[str]) -> str:
    """What a file is that has another key than ours."""
    if is_mixture(keys) and ("lora" in key or is_mixture([key])):
        if not is_mixture(other for other in keys if not KEY.fullmatch(other)):
            return f"{path} has something beside its mixture of experts that is not known here: {key!r}."
        return f"{path} seems to be a mixture of experts in a layout that is not known here: it has {key!r}."
    return f"{path} is not a LoRA or LoRA-MoE adapter of a FLUX transformer: it has {key!r}."
