"""What an edit returns."""

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from torch import Tensor

from . import image_file
from .contact_sheet import labelled_strip
from .errors import InputError
from .files import settled
from .guidance.control import Control
from .guidance.controls import written
from .guidance.grag import GRAG
from .image_metadata import metadata_options, pixels_hash
from .inversion import SOLVERS, Solver
from .methods.early_filter import Filtered
from .methods.strength import Calibration


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
        alpha: of the source (mode "L"), where it had any; :meth:`save` puts it back.
        skipped: the part of ``nfe`` that a step cache (diffusers' ``enable_cache``) did not compute, where one is on.
    """

    kind: ClassVar[str] = "edit"
    images: list[Image.Image]
    source: Image.Image
    nfe: int
    forward_calls: int
    seconds: float
    peak_memory_mb: float
    settings: dict[str, Any]
    filtered: Filtered | None = None
    skipped: float = 0.0
    alpha: Image.Image | None = None

    @property
    def image(self) -> Image.Image:
        """The first edit."""
        return self.images[0]

    def save(self, path: str | Path, index: int | None = None, overwrite: bool = True) -> None:
        """Write :attr:`image`, or the one of :attr:`images` at ``index``, at full quality, with the source's alpha
        and how it was made: :func:`flowedit_grag.read_settings` reads that, :func:`flowedit_grag.redo` makes it again.

        Raises :class:`InputError` where it cannot be written, and for the path of the source; :class:`FileExistsError`
        where a file is and it is not to ``overwrite`` that.
        """
        if index is not None and index not in range(-len(self.images), len(self.images)):
            raise InputError(f"there is no picture {index!r}; there are {len(self.images)}, counted from 0.")
        path, source = settled(path), (self.settings.get("source") or {}).get("path")
        if source and os.path.exists(source) and os.path.exists(path) and os.path.samefile(source, path):
            raise InputError(f"{path} is the picture that was edited; name another file.")
        image, alpha = self._picture(index)
        settings = {**self.settings, "index": None if index is None else int(index), "picture": self.pixels(index)}
        image_file.save(image, path, alpha, overwrite, **metadata_options(image_file.format_of(path), path, settings))

    def pixels(self, index: int | None = None) -> str:
        """SHA-256 of what :meth:`save` writes."""
        return pixels_hash(*self._picture(index))

    def _picture(self, index: int | None) -> tuple[Image.Image, Image.Image | None]:
        return (self.image, self.alpha) if index is None else (self.images[index], self.alpha)


@dataclass(frozen=True)
class Strip(Result):
    """One edit at several strengths; :attr:`image` is the labelled strip, source first."""

    kind: ClassVar[str] = "sweep"

    @property
    def delta(self) -> list[float]:
        """GRAG's delta of each of ``images``. Raises :class:`InputError` for a sweep that turned something else."""
        if any("delta" not in (one or {}) for one in self.settings["grag"]):
            raise InputError("this sweep turned no delta; see its strength.")
        return [one["delta"] for one in self.settings["grag"]]

    @property
    def strength(self) -> list[float] | None:
        """The strength of each of ``images``, where these were asked for."""
        return self.settings.get("strength")

    @property
    def image(self) -> Image.Image:
        name, values = ("delta", self.delta) if self.strength is None else ("strength", self.strength)
        return labelled_strip([self.source, *self.images], ["source", *(f"{name} {value:.3g}" for value in values)])

    def _picture(self, index: int | None) -> tuple[Image.Image, Image.Image | None]:
        return (self.image, None) if index is None else super()._picture(index)  # the strip is on white


def plain(value: Any) -> Any:
    """``value`` as JSON knows it."""
    if isinstance(value, GRAG):
        return {"lam": plain(value.lam), "delta": plain(value.delta)}
    if isinstance(value, Control):
        return plain(written(value)["dial"])
    if isinstance(value, Calibration):
        return plain(asdict(value))
    if isinstance(value, Solver):
        return _address(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic | Tensor):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _address(solver: Solver) -> str:
    """What :meth:`Solver.of` finds it by again: its name, or the address of one's own."""
    if solver.name in SOLVERS.table:
        return solver.name
    module = solver.step.__module__
    found = (name for name, value in vars(sys.modules[module]).items() if value is solver)
    return f"{module}:{next(found, solver.name)}"
