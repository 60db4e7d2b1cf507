"""Peak signal-to-noise ratio."""

import numpy as np


def psnr(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """``10 log10(255^2 / mean squared difference)`` of 8-bit images ``[H, W, 3]``, in dB; higher is closer.

    ``where`` ``[H, W]`` bool picks pixels. Identical images give infinity, no pixels nan.
    """
    difference = (np.asarray(first, float) - np.asarray(second, float)) ** 2
    if where is not None:
        difference = difference[where]
    if difference.size == 0:
        return float("nan")
    error = float(difference.mean())
    return float(10 * np.log10(255**2 / error)) if error else float("inf")
