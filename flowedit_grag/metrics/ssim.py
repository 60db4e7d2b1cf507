"""Structural similarity (Wang et al., 2004), as torchmetrics computes it."""

from typing import Any

import numpy as np
import torch

from ..errors import needed
from .reference import ReferenceMetric, mean_in


def ssim(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean SSIM of 8-bit images ``[H, W, 3]`` (11 x 11 Gaussian window of deviation 1.5, channels averaged); 1 is
    equal. ``where`` ``[H, W]`` bool picks the pixels that are averaged; none gives nan.

    Raises :class:`InputError` where torchmetrics is not installed.
    """
    structural = from_torchmetrics("structural_similarity_index_measure")
    a, b = (torch.from_numpy(np.asarray(image, float) / 255).permute(2, 0, 1)[None] for image in (first, second))
    _, full = structural(a, b, data_range=1.0, return_full_image=True)
    return mean_in(full[0].mean(dim=0).numpy(), where)


def from_torchmetrics(name: str) -> Any:
    """The function called ``name`` of torchmetrics' image metrics."""
    return getattr(needed("torchmetrics.functional.image", "this metric"), name)


class SSIM(ReferenceMetric):
    """Structural similarity, at most 1. A region's windows reach over its edge."""

    stem = "ssim"
    higher_is_better = True
    source = "Wang et al. 2004; PIE-Bench (arXiv:2310.01506)"
    details = "Gaussian window 11 x 11, sigma 1.5, mean over channels (torchmetrics)"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return ssim(edited, reference, where)
