"""What is in an adapter file: the published LoRA-MoE layout and plain LoRA, told apart by their keys."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError, first_line
from .adapter_metadata import NOT_WHOLE

KEY = re.compile(
    r"transformer\.(?P<module>.+)\.(?:lora_(?P<side>[AB])(?:\.expert_(?P<expert>\d+))?|(?P<route>lora_route))\.weight"
)

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
MIXTURE_WORDS = ("expert", "route", "gate")


@dataclass
class ModuleWeights:
    """One module's adapter: an expert each in ``a`` ``[rank, in]`` and ``b`` ``[out, rank]``; plain LoRA has one."""

    a: dict[int, Tensor] = field(default_factory=dict)
    b: dict[int, Tensor] = field(default_factory=dict)
    route: Tensor | None = None  # [experts, in]

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
        if self.route is not None and self.route.ndim != 2:
            return f"its router is {list(self.route.shape)}"
        if self.route is not None and len(self.route) != len(self.a):
            return f"its router knows {len(self.route)} experts and there are {len(self.a)}"
        if self.route is not None and self.route.shape != (len(self.a), self.a[0].shape[1]):
            return f"its router is {list(self.route.shape)}"
        return None

    def stacked(self) -> dict[str, Tensor]:
        """As the layer holds it."""
        order = sorted(self.a)
        tensors = {"lora_A": torch.cat([self.a[i] for i in order]), "lora_B": torch.cat([self.b[i] for i in order], 1)}
        return tensors if self.route is None else {**tensors, "lora_route": self.route}


def read_adapter_weights(path: Path) -> dict[str, ModuleWeights]:
    """The adapter by module name. Raises :class:`InputError` for files that are not adapters."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} {NOT_WHOLE.format(reason=first_line(error))}") from None
    modules: dict[str, ModuleWeights] = defaultdict(ModuleWeights)
    for key, tensor in tensors.items():
        found = KEY.fullmatch(key)
        if found is None:
            raise InputError(_foreign(path, key, tensors))
        if tensor.dtype not in DTYPES:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(
                f"{path} has weights in {kind}, in {key!r}; an adapter's are float32, float16 or bfloat16."
            )
        if not torch.isfinite(tensor).all():
            raise InputError(f"{path} has weights that are not finite, in {key!r}.")
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
    advice = "; diffusers may know this layout: give it as lora=" if "lora" in key else ""
    return f"{path} is not a LoRA or LoRA-MoE adapter of a FLUX transformer: it has {key!r}{advice}."


def check_shapes(path: Path, modules: dict[str, ModuleWeights], transformer: Any) -> None:
    """Raise :class:`InputError` unless all fit a linear layer of ``transformer``."""
    layers = dict(transformer.named_modules())
    for module, weights in modules.items():
        layer = layers.get(module)
        layer = getattr(layer, "base_layer", layer)
        if not isinstance(layer, nn.Linear):
            raise InputError(f"{path} is an adapter of another model: this one has no linear layer {module!r}.")
        wanted, found = (layer.in_features, layer.out_features), (weights.a[0].shape[1], weights.b[0].shape[0])
        if wanted != found:
            raise InputError(f"{path} is an adapter of another model: {module} maps {wanted} here, {found} there.")
