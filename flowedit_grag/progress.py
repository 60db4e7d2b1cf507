"""How far some work has come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """``step`` of ``steps`` of a ``stage`` is done. Of an edit: where its latents stand, and what they would become if
    the flow were straight from here, ``clean``, where the method knows it."""

    stage: str
    step: int
    steps: int
    latents: Any = None  # [rows, C, h, w]
    clean: Any = None


OnProgress = Callable[[Progress], None]
