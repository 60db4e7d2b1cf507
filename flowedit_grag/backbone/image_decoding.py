"""Image files, PIL images and arrays as an image of 8 bits a channel that is upright; or one sentence on why not."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ..errors import InputError, first_line
from .image_levels import eight_bits

ImageLike = str | Path | Image.Image | np.ndarray

# 50 megapixels: what phones and most cameras take, and 50 times what a model edits. Asked of the header, before pixels
# are decoded; decoders that hold the picture several times read half of it. A file of so many pixels, with 16 bits a
# channel and uncompressed, is MAX_BYTES long.
MAX_PIXELS = 8192 * 6144
SEVERAL_TIMES = ("JPEG2000", "WEBP")
MAX_BYTES = 8 * MAX_PIXELS
# What else PIL knows is no photograph, runs another program (EPS) or is decoded before its size is known (ICO).
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "QOI", "SGI", "DDS", "PCX", "TGA")
PLUGINS = ("HEIF", "JXL")  # of packages that someone may have registered
TILE_WIDTH, TILE_LENGTH = 322, 323  # TIFF tags
UPRIGHT = 1
TURNS = dict(zip(range(2, 9), (  # by EXIF orientation
    Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90,
), strict=True))  # fmt: skip


def decoded(image: ImageLike | BytesIO, name: str = "the image") -> tuple[str, Image.Image]:
    """What to call ``image`` in errors (``name``, unless it has one of its own), and its pixels.

    The image is in a mode of 8 bits a channel (or fewer), upright, with the ``info`` of its file. Raises
    :class:`InputError`, as :func:`~flowedit_grag.backbone.image.read_image` says.
    """
    if isinstance(image, np.ndarray):
        return "the image array", _of_array(image)
    if isinstance(image, Image.Image):
        with _one_sentence(name):
            return name, _whole(image, name, ours=False)
    if not isinstance(image, str | Path | BytesIO):
        raise InputError(f"an image must be a path, a PIL image or an array, not {type(image).__name__}.")
    if not isinstance(image, BytesIO):
        name = str(image)
        _check_file(image)
    with _one_sentence(name), Image.open(image, formats=_formats()) as opened:
        return name, _whole(opened, name, ours=True)


def _of_array(values: np.ndarray) -> Image.Image:
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)) or not values.size:
        raise InputError(f"an image array must be [H, W], [H, W, 3] or [H, W, 4], not {list(values.shape)}.")
    _check_size(values.shape[1], values.shape[0], "the image array")
    return Image.fromarray(eight_bits(values[..., 0] if values.shape[2:] == (1,) else values, "the image array"))


def _check_file(path: str | Path) -> None:
    if not os.path.exists(path):  # unlike Path.exists, also false for names that cannot be
        raise InputError(f"there is no image at {path}.")
    if not os.path.isfile(path):  # a device or pipe may never end
        raise InputError(f"{path} cannot be read: it is not a file.")
    if (size := os.path.getsize(path)) > MAX_BYTES:
        raise InputError(f"{path} is a file of {size:,} bytes, too large to edit; scale the image down first.")


def _formats() -> tuple[str, ...]:
    return *FORMATS, *(name for name in PLUGINS if name in Image.OPEN)


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name} is not an image that can be read; save it as PNG or JPEG.") from None
    except Image.DecompressionBombError:
        raise InputError(f"{name} has more pixels than can be read safely; scale it down first.") from None
    except Exception as error:  # decoders let out whatever comes to them: TypeError, AttributeError, RuntimeError …
        raise InputError(
            f"{name} cannot be read ({first_line(error)}); if the file is complete, save it again as PNG."
        ) from None


def _whole(image: Image.Image, name: str, ours: bool) -> Image.Image:
    """``image`` upright, at 8 bits a channel; itself if it is ``ours`` and so already."""
    _check_size(image.width, image.height, name, MAX_PIXELS // (2 if image.format in SEVERAL_TIMES else 1))
    if getattr(image, "is_animated", False) and image.format != "MPO":  # a phone's JPEG with a preview beside it
        what, one = ("has several pages", "page") if image.format == "TIFF" else ("is animated", "frame")
        raise InputError(f"{name} {what}; save one {one} as PNG.")
    tags = getattr(image, "tag_v2", {})  # of a TIFF file, whose tiles may be larger than the image
    _check_size(tags.get(TILE_WIDTH, 1), tags.get(TILE_LENGTH, 1), f"a tile of {name}")
    image.load()
    if image.mode in ("P", "PA") and image.palette is None:
        raise ValueError("its palette is missing")
    kept = ("transparency", "icc_profile")
    info: dict[str | tuple[int, int], Any] = {key: image.info[key] for key in kept if key in image.info}
    upright = _upright(image, name)
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(upright)
        if (image.format, image.mode) == ("PPM", "I"):  # which PIL scales to 16 bits
            values = values.astype(np.uint16)
        upright = Image.fromarray(eight_bits(values, name))
        info.pop("transparency", None)  # a level of 16 bits
    elif upright is image and not ours:
        upright = image.copy()
    upright.info = info
    return upright


def _check_size(width: int, height: int, name: str, most: int = MAX_PIXELS) -> None:
    if width * height > most:
        raise InputError(f"{name} is {width}x{height}, too large to edit (at most {most:,} pixels); scale it down.")
    if not width * height:
        raise InputError(f"{name} is {width}x{height}: it has no pixels.")


def _upright(image: Image.Image, name: str) -> Image.Image:
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
    except Exception as error:  # of a library, about bytes from anywhere
        said = f"its EXIF data cannot be read ({first_line(error)}); it is taken to be upright."
        warnings.warn(f"{name}: {said}", stacklevel=2)
        return image
    return image if turn is None else image.transpose(turn)
