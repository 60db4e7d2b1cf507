"""Peak signal-to-noise ratio."""

import numpy as np

from .reference import ReferenceMetric, mean_in


def psnr(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """``10 log10(255^2 / mean squared difference)`` of 8-bit images ``[H, W, 3]``, in dB; higher is closer.

    ``where`` ``[H, W]`` bool picks pixels. Identical images give infinity, no pixels nan.
    """
    error = mean_in((np.asarray(first, float) - np.asarray(second, float)) ** 2, where)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


class PSNR(ReferenceMetric):
    """Peak signal-to-noise ratio in dB; identical pictures give infinity."""

    stem = "psnr"
    higher_is_better = True
    source = "PIE-Bench (arXiv:2310.01506)"
    details = "dB, peak 255"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return psnr(edited, reference, where)
