"""How far some work has come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Progress:
    """``step`` of ``steps`` of a ``stage`` is done.

    Of an edit, ``latents`` are where it stands, and ``clean`` is what they would become if the flow were straight from
    here, where the method knows it.
    """

    stage: str
    step: int
    steps: int
    latents: "Tensor | None" = None
    clean: "Tensor | None" = None


OnProgress = Callable[[Progress], None]
