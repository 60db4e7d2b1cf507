"""Mean differences of pixels: L1 and L2."""

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


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (np.asarray(first, float) - np.asarray(second, float)) / 255
