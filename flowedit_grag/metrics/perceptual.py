"""The distance of LPIPS, given feature maps."""

from collections.abc import Sequence

import torch
from torch import Tensor

# ImageNet's mean and deviation for pixels in -1..1, as LPIPS rounds them
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def scaled(pixels: Tensor) -> Tensor:
    """8-bit ``pixels`` ``[B, 3, H, W]`` as LPIPS' backbones take them."""
    shift, scale = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (SHIFT, SCALE))
    return (pixels.float() / 255 * 2 - 1 - shift) / scale


def perceptual_distance(
    first: Sequence[Tensor], second: Sequence[Tensor], heads: Sequence[Tensor], where: Tensor | None = None
) -> float:
    """Sum over taps of the mean over places of ``head · (f1/|f1| - f2/|f2|)²``; 0 is equal.

    Feature maps are ``[C, h, w]``, heads ``[C]``. With ``where`` ``[H, W]``, 1 in the region, a place counts as much
    as of it lies there.
    """
    total = 0.0
    for a, b, head in zip(first, second, heads, strict=True):
        places = torch.einsum("c,chw->hw", head, (_unit(a) - _unit(b)) ** 2)
        weight = torch.ones_like(places) if where is None else _shares(where, *places.shape)
        total += float((places * weight).sum() / weight.sum())
    return total


def _unit(feature: Tensor) -> Tensor:
    return feature / (1e-8 + (feature**2).sum(dim=0, keepdim=True)).sqrt()


def _shares(where: Tensor, height: int, width: int) -> Tensor:
    return torch.nn.functional.adaptive_avg_pool2d(where[None].float(), (height, width))[0]
