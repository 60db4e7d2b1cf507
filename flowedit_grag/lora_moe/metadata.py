"""What a safetensors file says of the adapter in it, in its metadata: ours, or what diffusers writes."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, first_line
from .config import Router

OURS = "flowedit_grag"  # keys in a file's metadata
DIFFUSERS = "lora_adapter_metadata"
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)
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
            if uneven := [name for name in UNEVEN if stored.get(f"transformer.{name}")]:
                raise InputError(f"{path} is a LoRA with {' and '.join(uneven)}; give it as lora=, which knows these.")
            rank, alpha = stored.get("transformer.r"), stored.get("transformer.lora_alpha")
            return cls(alpha_over_rank=float(alpha) / float(rank)) if rank and alpha else cls()
        except InputError:
            raise
        except UNREADABLE as error:
            raise InputError(f"{path} has metadata that cannot be read ({first_line(error)[:200]}).") from None

    @classmethod
    def factors(cls, path: Path, network: str, ranks: Mapping[str, int]) -> dict[str, float]:
        """What the metadata multiplies each module of ``network`` with, given their ``ranks``; empty where it says
        nothing. Raises :class:`InputError` for metadata that cannot be read."""
        with opened(path) as file:
            metadata = file.metadata() or {}
        if OURS in metadata:
            return dict.fromkeys(ranks, cls.of(path).alpha_over_rank)
        try:
            stored = json.loads(metadata.get(DIFFUSERS, "{}"))
            alpha, patterns = stored.get(f"{network}.lora_alpha"), stored.get(f"{network}.alpha_pattern") or {}
            if alpha is None:
                return {}
            power = 0.5 if stored.get(f"{network}.use_rslora") else 1
            return {name: _finite(_of_pattern(patterns, name, alpha) / rank**power) for name, rank in ranks.items()}
        except UNREADABLE as error:
            raise InputError(f"{path} has metadata that cannot be read ({first_line(error)[:200]}).") from None

    def written(self) -> dict[str, str]:
        """As the metadata of a safetensors file."""
        return {"format": "pt", OURS: json.dumps(asdict(self))}


def _of_pattern(patterns: Mapping[str, Any], module: str, otherwise: Any) -> float:
    """peft's patterns are regular expressions; those that files have are names, or ends of them."""
    for pattern, value in patterns.items():
        name = pattern.removeprefix("^")
        if module == name or (name == pattern and module.endswith(f".{name}")):
            return float(value)
        if set(name) & set("*+?[](){}|\\$"):
            raise ValueError(f"alpha_pattern has {name!r}, which is no layer's name")
    return float(otherwise)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"a scale of {value}")
    return value
