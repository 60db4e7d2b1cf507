"""Structural similarity (Wang et al., 2004), as torchmetrics computes it."""

import numpy as np

from ..errors import InputError


def ssim(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean SSIM of 8-bit images ``[H, W, 3]`` (11 x 11 Gaussian window of deviation 1.5, channels averaged); 1 is
    equal. ``where`` ``[H, W]`` bool picks the pixels that are averaged; none gives nan.
    """
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError:
        raise InputError("SSIM needs torchmetrics; install it with `pip install torchmetrics`.") from None
    import torch

    a, b = (torch.from_numpy(np.asarray(image, float) / 255).permute(2, 0, 1)[None] for image in (first, second))
    _, full = structural_similarity_index_measure(a, b, data_range=1.0, return_full_image=True)
    picked = full[0].mean(dim=0).numpy()[slice(None) if where is None else where]
    return float(picked.mean()) if picked.size else float("nan")
