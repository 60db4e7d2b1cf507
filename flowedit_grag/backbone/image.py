"""Pictures as people have them, as the RGB image the models take."""

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import InputError

ImageLike = str | Path | Image.Image | np.ndarray
# What PIL raises on damaged files, and on those that are made to fill the memory.
UNREADABLE = (OSError, SyntaxError, EOFError, ValueError, struct.error, Image.DecompressionBombError)


def read_image(image: ImageLike) -> Image.Image:
    """An RGB image from a path, a PIL image (any mode) or a ``[H, W, 3]`` uint8 array.

    EXIF orientation is applied, transparency is laid on white, 16 bits are scaled to 8. Raises :class:`InputError`
    for files that are missing, truncated, animated, too large (PIL's ``MAX_IMAGE_PIXELS``) or no image.
    """
    whole = _upright(image)
    if whole.mode.startswith("I") or whole.mode == "F":
        whole = _eight_bit(whole)
    if _has_alpha(whole):
        whole = whole.convert("RGBA")
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    return whole.convert("RGB")


def alpha_of(image: ImageLike) -> Image.Image | None:
    """The alpha channel (mode "L", as large as what :func:`read_image` gives), or None where nothing is transparent.

    Raises :class:`InputError` as :func:`read_image` does.
    """
    whole = _upright(image)
    if not _has_alpha(whole):
        return None
    alpha = whole.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) else alpha


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _upright(image: ImageLike) -> Image.Image:
    """The image in its own mode, with EXIF orientation applied."""
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(f"an image array must be [H, W, 3] uint8, not {list(image.shape)} {image.dtype}.")
        return _checked(Image.fromarray(image), "the image array")
    if isinstance(image, Image.Image):
        return _checked(image, "the image")
    if not isinstance(image, str | Path):
        raise InputError(
            f"an image must be a path, a PIL image or a [H, W, 3] uint8 array, not {type(image).__name__}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # _checked refuses what it warns of
            with Image.open(image) as opened:
                return _checked(opened, str(image))
    except FileNotFoundError:
        raise InputError(f"there is no image at {image}.") from None
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{image} is not an image that can be read; save it as PNG or JPEG.") from None
    except Image.DecompressionBombError:
        raise InputError(f"{image} has more pixels than can be read safely; scale it down first.") from None
    except UNREADABLE as error:
        raise InputError(f"{image} cannot be read ({error}); is the file complete?") from None


def _checked(image: Image.Image, name: str) -> Image.Image:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a phone's JPEG with a preview beside it
        raise InputError(f"{name} is animated ({frames} frames); save one frame as PNG.")
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise InputError(f"{name} is {image.width}x{image.height}, too large to edit; scale it down first.")
    image.load()
    return ImageOps.exif_transpose(image)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey levels of 16 bits, or floating point in 0..1 or 0..255, scaled to 0..255."""
    values = np.asarray(image, np.float64)
    top = next((top for top in (1.0, 255.0) if image.mode == "F" and values.max(initial=0) <= top), 65535.0)
    return Image.fromarray(np.clip(values * (255.0 / top), 0, 255).round().astype(np.uint8))


def padded(image: Image.Image, multiple: int) -> Image.Image:
    """``image`` continued by reflection to the right and below until both sides are multiples of ``multiple``."""
    pixels = np.asarray(image)
    right, below = -image.width % multiple, -image.height % multiple
    # "symmetric" reflects the edge pixel too, so that it works however small the image is
    return Image.fromarray(np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="symmetric"))


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """``image`` at ``size = (width, height)``."""
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
