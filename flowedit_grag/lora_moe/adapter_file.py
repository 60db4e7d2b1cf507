"""What is in an adapter file: the published LoRA-MoE layout or plain LoRA, told apart by their keys, and metadata."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, first_line
from .config import Router

KEY = re.compile(
    r"transformer\.(?P<module>.+)\.(?:lora_(?P<side>[AB])(?:\.expert_(?P<expert>\d+))?|(?P<route>lora_route))\.weight"
)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
MIXTURE_WORDS = ("expert", "route", "gate")
OURS = "flowedit_grag"  # keys in a file's metadata
DIFFUSERS = "lora_adapter_metadata"
UNEVEN = ("use_rslora", "alpha_pattern", "rank_pattern")  # the scale is then no one alpha over rank


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A safetensors file. Raises :class:`InputError` for what is none, or not whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        reason = first_line(error)
        raise InputError(f"{path} is not a whole safetensors file ({reason}); download it again.") from None


@dataclass(frozen=True)
class AdapterMetadata:
    """The defaults are what was published, where files say nothing. ``width`` is that of a panel in training."""

    top_k: int = 1
    router: Router = "published"
    alpha_over_rank: float = 1.0
    width: int | None = None

    def __post_init__(self):
        for name, kinds in (("top_k", int), ("width", int | None), ("alpha_over_rank", int | float)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kinds) or not (value is None or 0 < value < math.inf):
                raise ValueError(f"{name} is {value!r}")

    @classmethod
    def of(cls, path: Path) -> "AdapterMetadata":
        """From a safetensors file, ours or one that diffusers wrote. Raises :class:`InputError` for other metadata."""
        with opened(path) as file:
            metadata = file.metadata() or {}
        try:
            if OURS in metadata:
                stored = json.loads(metadata[OURS])
                return cls(stored["top_k"], stored["router"], stored["alpha_over_rank"], stored.get("width"))
            stored = json.loads(metadata.get(DIFFUSERS, "{}"))
            uneven = [name for name in UNEVEN if stored.get(f"transformer.{name}")]
            rank, alpha = stored.get("transformer.r"), stored.get("transformer.lora_alpha")
            found = cls(alpha_over_rank=float(alpha) / float(rank)) if rank and alpha else cls()
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            raise InputError(f"{path} has metadata that cannot be read ({error}).") from None
        if uneven:
            raise InputError(f"{path} is a LoRA with {' and '.join(uneven)}; give it as lora=, which knows these.")
        return found

    def written(self) -> dict[str, str]:
        """As the metadata of a safetensors file."""
        return {"format": "pt", OURS: json.dumps(asdict(self))}


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
        if self.route is not None and self.route.shape != (len(self.a), self.a[0].shape[1]):
            return f"its router is {list(self.route.shape)} for {len(self.a)} experts of width {self.a[0].shape[1]}"
        return None

    def stacked(self) -> dict[str, Tensor]:
        """As the layer holds it."""
        a, b = ([side[expert] for expert in range(len(side))] for side in (self.a, self.b))
        tensors = {"lora_A": torch.cat(a), "lora_B": torch.cat(b, 1)}
        return tensors if self.route is None else {**tensors, "lora_route": self.route}


def read_adapter_weights(path: Path) -> dict[str, ModuleWeights]:
    """The adapter by module name. Raises :class:`InputError` for files that are not adapters."""
    with opened(path) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
    modules: dict[str, ModuleWeights] = defaultdict(ModuleWeights)
    for key, tensor in tensors.items():
        found = KEY.fullmatch(key)
        if found is None:
            raise InputError(_foreign(path, key, tensors))
        if tensor.dtype not in DTYPES:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(f"{path} has weights in {kind}, not float32, float16 or bfloat16, in {key!r}.")
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
