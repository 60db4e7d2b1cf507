"""Mean differences of pixels: L1 and L2, and how far an edit went."""

import numpy as np

from .reference import ReferenceMetric, mean_in


class L1(ReferenceMetric):
    """Mean absolute difference, 0..1."""

    stem = "l1"
    higher_is_better = False
    source = "MagicBrush (arXiv:2306.10012)"
    details = "mean absolute difference of pixels in 0..1"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return mean_in(np.abs(_difference(edited, reference)), where)


class L2(ReferenceMetric):
    """Mean squared difference, 0..1. Benchmarks call it L2 or MSE; no root is taken."""

    stem = "l2"
    higher_is_better = False
    source = "MagicBrush (arXiv:2306.10012); MSE of PIE-Bench (arXiv:2310.01506)"
    details = "mean squared difference of pixels in 0..1"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return mean_in(_difference(edited, reference) ** 2, where)


class Change(ReferenceMetric):
    """Mean absolute difference in grey levels, 0..255: how far an edit went, which is neither good nor bad."""

    stem = "change"
    higher_is_better = None
    source = "flowedit_grag"
    details = "mean absolute difference of pixels in grey levels, 0..255"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return 255 * mean_in(np.abs(_difference(edited, reference)), where)


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (np.asarray(first, float) - np.asarray(second, float)) / 255
