"""Where an edit differs from the source as the model shows it, and the source's own pixels everywhere else.

The comparison is with the source as the model shows it and not with the source, since autoencoder and model change both
alike.
"""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter

from ..backbone.image import resized

CHANGED = 0.06  # of the grey levels, of an area: above what two decodings of one thing differ by
STRONG = 0.3  # of a single pixel: a line or a dot, which is nothing in the mean of an area
BLUR, GROW = 1 / 128, 1 / 32  # of the side of a square of that area


def changed(edit: Image.Image, before: Image.Image) -> np.ndarray:
    """``[H, W]`` bool: where more than the model's noise differs between two pictures of one size."""
    apart = np.abs(np.asarray(edit, np.float32) - np.asarray(before, np.float32)).max(axis=-1) / 255
    return (gaussian_filter(apart, max(0.5, BLUR * _side(edit))) > CHANGED) | (apart > STRONG)


def change_mask(edit: Image.Image, before: Image.Image, size: tuple[int, int], grow: float = GROW) -> Image.Image:
    """A mask at ``size = (width, height)``: white where the pictures differ and around it, falling softly to black over
    a quarter of what it is made to ``grow`` by."""
    side = _side(edit)
    grown = maximum_filter(changed(edit, before), size=1 + 2 * max(1, round(grow * side))).astype(np.float32)
    return resized(Image.fromarray(np.uint8(255 * gaussian_filter(grown, max(0.5, grow * side / 4)))), size)


def _side(image: Image.Image) -> float:
    """Of a square with as many pixels."""
    return (image.width * image.height) ** 0.5


def pasted(edit: Image.Image, before: Image.Image, original: Image.Image) -> tuple[Image.Image, float]:
    """``edit`` at the size of ``original``, with the original's pixels wherever ``edit`` agrees with ``before``; and
    their share."""
    mask = change_mask(edit, before, original.size)
    return Image.composite(resized(edit, original.size), original, mask), _black(mask)


def with_detail(edit: Image.Image, before: Image.Image, original: Image.Image) -> tuple[Image.Image, float]:
    """``edit`` at the size of the larger ``original``, with the original's fine detail where ``edit`` hardly differs
    from ``before``; and the share of that.

    What the model changed is enlarged and added to the original, so that nothing changed gives the original back
    exactly. Where much changed, ``edit`` stands alone: the old object's texture would show through the new one.
    """
    mask = change_mask(edit, before, original.size, grow=GROW / 2)
    weight = np.asarray(mask, np.float32) / 255
    found = np.empty((original.height, original.width, 3), np.uint8)
    for channel in range(3):  # one at a time: a photo's floats are large
        own, shown, made = (np.asarray(one.getchannel(channel), np.float32) for one in (original, before, edit))
        lost = weight * (own - _enlarged(shown, original.size))
        found[..., channel] = np.clip(own + _enlarged(made - shown, original.size) - lost, 0, 255).round()
    return Image.fromarray(found), _black(mask)


def _black(mask: Image.Image) -> float:
    return 1 - float(np.asarray(mask, np.float64).mean()) / 255


def _enlarged(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(resized(Image.fromarray(values), size))
