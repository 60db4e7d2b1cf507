"""What a metric is given, and what it answers."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from ..errors import InputError
from ..hidden import shown
from ..lab.tasks import EditingProblem
from ..options import check_options


@dataclass(frozen=True)
class Missing:
    """Not a number, and why: no mask, no ground truth, no weights. ``str`` gives ``missing: reason``."""

    reason: str

    def __str__(self) -> str:
        return f"missing: {self.reason}"


@dataclass(frozen=True, eq=False)  # two samples are never the same one, and so it can be hashed
class Images:
    """One edit and what it is measured against; whatever a benchmark does not have is ``None``, and what of it cannot
    be read is :class:`Missing`.

    Images are ``[H, W, 3]`` uint8, of one size but for ``truth``; ``mask`` is ``[H, W]`` bool, true where something
    may change. ``edit`` is the lab's problem. Raises :class:`InputError` for anything else.
    """

    edited: np.ndarray
    source: np.ndarray
    truth: np.ndarray | Missing | None = None
    mask: np.ndarray | Missing | None = None
    source_prompt: str | None = None
    target_prompt: str | None = None
    instruction: str | None = None
    edit: EditingProblem | None = None

    def __post_init__(self):
        shape = (*self.edited.shape[:2], 3)
        for name in ("edited", "source"):
            _check(name, getattr(self, name), shape, np.dtype(np.uint8))
        if isinstance(self.truth, np.ndarray):
            _check("truth", self.truth, (*self.truth.shape[:2], 3), np.dtype(np.uint8))
        if isinstance(self.mask, np.ndarray):
            _check("mask", self.mask, shape[:2], np.dtype(bool))


class Metric(Protocol):
    """A number for an edit. ``source`` is the paper or protocol, ``variant`` states backbone and details.

    ``higher_is_better`` is ``None`` where neither is.
    One that only says yes or no, 1 or 0, may say ``is_rate = True``: its mean then gets the interval of a rate.
    """

    @property
    def name(self) -> str: ...
    @property
    def higher_is_better(self) -> bool | None: ...
    @property
    def source(self) -> str: ...
    @property
    def variant(self) -> str: ...

    def __call__(self, images: Images) -> float | Missing: ...


@dataclass(frozen=True, kw_only=True)
class OwnMetric:
    """A metric of this package: its fields are its options, and what :meth:`score` cannot say is missing."""

    higher_is_better: ClassVar[bool | None]
    source: ClassVar[str]
    details: ClassVar[str]  # backbone and details, with ``{option}`` for the value of an option

    @property
    def variant(self) -> str:
        return self.details.format(**shown(vars(self)))

    def __post_init__(self):
        check_options(self)

    def score(self, images: Images) -> float:
        """The number. Raises :class:`InputError`, with the reason, where there is none."""
        raise NotImplementedError

    def __call__(self, images: Images) -> float | Missing:
        try:
            return number(self.score(images))
        except InputError as error:
            return Missing(str(error))


def given(value: Any, name: str) -> Any:
    """``value``, unless the sample does not have it: then raises :class:`InputError`."""
    if value is None or isinstance(value, Missing):
        raise InputError(value.reason if value else f"the sample has no {name}")
    return value


def number(value: float | Missing) -> float | Missing:
    """``value``, unless it is nan: that is no number."""
    return Missing("the result is not a number") if not isinstance(value, Missing) and np.isnan(value) else value


def _check(name: str, array: np.ndarray, shape: tuple[int, ...], kind: np.dtype) -> None:
    if array.shape != shape or array.dtype != kind:
        raise InputError(f"{name} must be {list(shape)} {kind}, not {list(array.shape)} {array.dtype}.")
