"""Distances of pixels."""

import numpy as np


def l1(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean absolute difference of 8-bit images ``[H, W, 3]`` scaled to 0..1; 0 is equal.

    ``where`` ``[H, W]`` bool picks pixels; none gives nan.
    """
    return _mean(np.abs(_difference(first, second)), where)


def l2(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean squared difference, otherwise as :func:`l1`. Benchmarks call it L2 or MSE; no root is taken."""
    return _mean(_difference(first, second) ** 2, where)


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (np.asarray(first, float) - np.asarray(second, float)) / 255


def _mean(values: np.ndarray, where: np.ndarray | None) -> float:
    picked = values if where is None else values[where]
    return float(picked.mean()) if picked.size else float("nan")
