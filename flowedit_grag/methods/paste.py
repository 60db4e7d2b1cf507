"""Source pixels put back where an edit left them as they were."""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter

from ..backbone.image import resized

CHANGED = 0.06  # of the grey levels, of an area: above what two decodings of one thing differ by
STRONG = 0.3  # of a single pixel: a line or a dot, which is nothing in the mean of an area
BLUR, GROW, FEATHER = 1 / 128, 1 / 32, 1 / 128  # of a panel's width


def pasted(edit: Image.Image, left: Image.Image, original: Image.Image) -> Image.Image:
    """``edit`` at the size of ``original``, with the original's pixels wherever ``edit`` agrees with ``left``.

    ``left`` is the source as the model shows it: the right panel is compared with it and not with the original, since
    autoencoder and model change both panels alike.
    """
    apart = np.abs(np.asarray(edit, np.float32) - np.asarray(left, np.float32)).max(axis=-1) / 255
    changed = (gaussian_filter(apart, max(0.5, BLUR * edit.width)) > CHANGED) | (apart > STRONG)
    grown = maximum_filter(changed, size=1 + 2 * max(1, round(GROW * edit.width))).astype(np.float32)
    mask = Image.fromarray(np.uint8(255 * gaussian_filter(grown, max(0.5, FEATHER * edit.width))))
    return Image.composite(resized(edit, original.size), original, resized(mask, original.size))
