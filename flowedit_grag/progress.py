"""How far some work has come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """``step`` of ``steps`` of a ``stage`` is done. Of an edit also: where its latents stand."""

    stage: str
    step: int
    steps: int
    latents: Any = None  # [rows, C, h, w]
    clean: Any = None  # what they would become if the flow were straight from here, where the method knows


OnProgress = Callable[[Progress], None]
