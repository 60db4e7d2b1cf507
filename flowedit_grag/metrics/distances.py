"""Mean differences of pixels: L1 and L2."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .comparison import Comparison


def l1(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean absolute difference of 8-bit images ``[H, W, 3]`` scaled to 0..1; 0 is equal.

    ``where`` ``[H, W]`` bool picks pixels; none gives nan.
    """
    return _mean(np.abs(_difference(first, second)), where)


def l2(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean squared difference, otherwise as :func:`l1`. Benchmarks call it L2 or MSE; no root is taken."""
    return _mean(_difference(first, second) ** 2, where)


@dataclass(frozen=True, kw_only=True)
class L1(Comparison):
    """Mean absolute difference, 0..1."""

    stem: ClassVar = "l1"
    higher_is_better: ClassVar = False
    source: ClassVar = "MagicBrush (arXiv:2306.10012)"
    kind: ClassVar = "mean absolute difference of pixels in 0..1"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return l1(edited, reference, where)


@dataclass(frozen=True, kw_only=True)
class L2(Comparison):
    """Mean squared difference, 0..1; no root."""

    stem: ClassVar = "l2"
    higher_is_better: ClassVar = False
    source: ClassVar = "MagicBrush (arXiv:2306.10012); MSE of PIE-Bench (arXiv:2310.01506)"
    kind: ClassVar = "mean squared difference of pixels in 0..1"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return l2(edited, reference, where)


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (np.asarray(first, float) - np.asarray(second, float)) / 255


def _mean(values: np.ndarray, where: np.ndarray | None) -> float:
    picked = values if where is None else values[where]
    return float(picked.mean()) if picked.size else float("nan")
