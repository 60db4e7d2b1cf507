"""Edited pictures as files: which formats there are, at which quality, and what they can hold."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .errors import InputError, shortened
from .files import written

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
}  # fmt: skip
# Colour at full resolution: lossy WebP always halves it, and so is not used.
QUALITY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True, "exact": True},
}  # fmt: skip
HOLD_ALPHA = ("PNG", "WEBP", "TIFF")


def format_of(path: Path) -> str:
    """PIL's name of the format that ``path`` ends in. Raises :class:`InputError` for one that is not written."""
    if (ending := path.suffix.lower()) not in FORMATS:
        raise InputError(f"{shortened(str(path))} does not end in {', '.join(FORMATS)}; name a file that does.")
    return FORMATS[ending]


def check_format(path: Path, size: tuple[int, int]) -> None:
    """Raise :class:`InputError` unless a picture of ``size = (width, height)`` can be written in the format that
    ``path`` ends in; tried in memory."""
    kind = format_of(path)
    try:
        for blank in (Image.new("RGB", (size[0], 1)), Image.new("RGB", (1, size[1]))):
            blank.save(BytesIO(), kind, **QUALITY.get(kind, {}))
    except (OSError, ValueError, KeyError):  # KeyError: Pillow was built without the format
        raise InputError(f"{kind} cannot hold {size[0]}x{size[1]} pixels here; name a .png instead.") from None


def save(
    image: Image.Image, path: Path, alpha: Image.Image | None = None, overwrite: bool = True, **options: Any
) -> None:
    """Write an RGB ``image`` whole or not at all, making its folder; ``alpha`` is put back where the format can hold
    it, and a warning says where not. ``options`` are PIL's.

    Raises :class:`InputError` where it cannot be written, and :class:`FileExistsError` where a file is and it is not to
    ``overwrite`` that.
    """
    kind = format_of(path)
    if alpha is not None and kind in HOLD_ALPHA:
        image = with_alpha(image, alpha)
    elif alpha is not None:
        warnings.warn(f"{kind} holds no transparency; {path} is on white. A .png keeps it.", stacklevel=3)
    try:
        with written(path, overwrite) as partial:
            image.save(partial, kind, **QUALITY.get(kind, {}), **options)
    except FileExistsError:
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {shortened(str(path))} ({why}); choose another place or format.") from error


def with_alpha(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """``image``, which lies on white, as the RGBA picture that looks so on white: its colours without the white in
    them."""
    share = np.asarray(alpha, np.float32)[..., None] / 255
    shown = np.asarray(image, np.float32)
    colors = np.where(share > 0, (shown - 255 * (1 - share)) / np.maximum(share, 1 / 255), shown)
    found = Image.fromarray(np.clip(colors, 0, 255).round().astype(np.uint8))
    found.putalpha(alpha)
    return found
