"""Pictures as people have them, as the RGB image the models take."""

import numpy as np
from PIL import Image

from .image_colour import srgb
from .image_decoding import ImageLike, decoded


def read_image(image: ImageLike) -> Image.Image:
    """An RGB image, in sRGB, of a path, a PIL image (any mode) or an array ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``.

    EXIF orientation is applied, an embedded colour profile is converted to sRGB, transparency is laid on white, and 16
    bits are scaled to 8. Of floats and wide integers the range is told by the values: 0..1 (floats), 0..255 or
    0..65535. A profile or EXIF data that cannot be read are left out with a warning. Raises :class:`InputError` for
    files that are missing, truncated, animated, of several pages, too large (``MAX_PIXELS``) or no image, and for
    values that are not finite or of no known range.

        >>> read_image(np.full((8, 8), 0.5)).getpixel((0, 0))
        (128, 128, 128)
    """
    name, whole = decoded(image)
    return srgb(whole, name)


def alpha_of(image: ImageLike) -> Image.Image | None:
    """The alpha channel (mode "L", as large as what :func:`read_image` gives), or None where nothing is transparent.

    Raises :class:`InputError` as :func:`read_image` does.
    """
    _, whole = decoded(image)
    if not whole.has_transparency_data:
        return None
    alpha = whole.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) else alpha


def padded(image: Image.Image, multiple: int) -> Image.Image:
    """``image`` continued by reflection to the right and below until both sides are multiples of ``multiple``."""
    pixels = np.asarray(image)
    right, below = -image.width % multiple, -image.height % multiple
    # "symmetric" reflects the edge pixel too, so that it works however small the image is
    return Image.fromarray(np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="symmetric"))


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """``image`` at ``size = (width, height)``."""
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


__all__ = ["ImageLike", "alpha_of", "padded", "read_image", "resized"]
