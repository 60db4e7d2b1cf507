"""What an adapter file says of itself beside its weights."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, first_line
from .config import Router

OURS = "flowedit_grag"  # keys in a file's metadata
DIFFUSERS = "lora_adapter_metadata"
NOT_WHOLE = "is not a whole safetensors file ({reason}); download it again."
UNEVEN = ("use_rslora", "alpha_pattern", "rank_pattern")  # the scale is then no one alpha over rank


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
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} {NOT_WHOLE.format(reason=first_line(error))}") from None
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
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            raise InputError(f"{path} has metadata that cannot be read ({error}).") from None

    @classmethod
    def from_config(cls, config: Any, width: int | None = None) -> "AdapterMetadata":
        """From the configuration that peft holds, which says one alpha over rank for all layers."""
        ratio = config.lora_alpha / config.r
        return cls(getattr(config, "top_k", 1), getattr(config, "router", "published"), ratio, width)

    def metadata(self) -> dict[str, str]:
        """For a safetensors file."""
        return {OURS: json.dumps(asdict(self))}
