"""What an edit returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from .contact_sheet import labelled_strip
from .guidance.grag import GRAG
from .inversion import Solver
from .methods.early_filter import Filtered


@dataclass(frozen=True)
class Result:
    """Edited images and what they cost.

    Attributes:
        images: one for each target, at the input's size.
        source: the image that was edited.
        nfe: transformer evaluations x batch rows.
        forward_calls: transformer calls.
        settings: everything that the result depends on, as plain types.
        filtered: what an early filter did, where there was one.
        skipped: the part of ``nfe`` that a step cache (diffusers' ``enable_cache``) did not compute, where one is on.
    """

    images: list[Image.Image]
    source: Image.Image
    nfe: int
    forward_calls: int
    seconds: float
    peak_memory_mb: float
    settings: dict[str, Any]
    filtered: Filtered | None = None
    skipped: float = 0.0

    @property
    def image(self) -> Image.Image:
        """The first edit."""
        return self.images[0]


@dataclass(frozen=True)
class Strip(Result):
    """One edit at several strengths; :attr:`image` is the labelled strip, source first."""

    @property
    def delta(self) -> list[float]:
        """The strengths, one for each of ``images``."""
        return [strength["delta"] for strength in self.settings["grag"]]

    @property
    def image(self) -> Image.Image:
        return labelled_strip([self.source, *self.images], ["source", *(f"delta {value:g}" for value in self.delta)])


def plain(value: Any) -> Any:
    """``value`` as JSON knows it."""
    if isinstance(value, GRAG):
        return {"lam": plain(value.lam), "delta": plain(value.delta)}
    if isinstance(value, Solver):
        return value.name
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic | Tensor):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)
