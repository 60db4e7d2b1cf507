"""How a picture was made, in the picture: PNG's iTXt, the EXIF UserComment of JPEG and WebP, TIFF's description."""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from .errors import InputError, shortened
from .hidden import masked_in

KEY = "flowedit_grag"
LEVELS = 12  # that settings are nested at most
EXIF_IFD, USER_COMMENT, ASCII = 0x8769, 0x9286, b"ASCII\0\0\0"
DESCRIPTION = 0x010E  # of a TIFF, which Pillow writes no UserComment into
LONGEST = {"PNG": 2**20, "JPEG": 65_000, "WEBP": 2**20, "TIFF": 2**20}  # bytes of text; a JPEG's segment has 64 KB


def pixels_hash(image: Image.Image, alpha: Image.Image | None = None) -> str:
    """SHA-256 of size and pixels, whatever file they came from."""
    found = hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes())
    found.update(b"" if alpha is None else alpha.tobytes())
    return found.hexdigest()


def source_of(given: Any, image: Image.Image, alpha: Image.Image | None) -> dict[str, Any]:
    """What is noted of a source: the path it was ``given`` by, where it was one, and what was read from there."""
    if isinstance(given, Image.Image):  # that may have been opened from a file
        given = getattr(given, "filename", None) or None
    path = os.path.abspath(given) if isinstance(given, str | Path) else None
    return {"path": path, "size": list(image.size), "sha256": pixels_hash(image, alpha)}


def metadata_options(kind: str, path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """PIL's options that put ``settings`` into a picture of format ``kind`` at ``path``. The source's path is written
    relative to it: they may be moved together. Nothing, and a warning, where the format cannot hold them."""
    text = json.dumps({KEY: masked_in({**settings, **_relative(settings.get("source"), path)})})
    if len(text) > LONGEST.get(kind, 0):
        warnings.warn(f"{path} does not say how it was made: {kind} cannot hold it. A .png can.", stacklevel=4)
        return {}
    if kind == "PNG":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt(KEY, text)
        return {"pnginfo": chunks}
    exif = Image.Exif()
    if kind == "TIFF":
        exif[DESCRIPTION] = text
    else:
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = ASCII + text.encode()
    return {"exif": exif}


def _relative(source: Any, path: Path) -> dict[str, Any]:
    if not source or not source["path"]:
        return {}
    try:
        return {"source": {**source, "path": os.path.relpath(source["path"], os.path.realpath(path.parent))}}
    except ValueError:  # another drive
        return {}


def read_settings(path: str | Path) -> dict[str, Any]:
    """How the picture at ``path`` was made: :attr:`Result.settings`, the source's path relative to its folder.

    The file may be anybody's: only its head is read, and nothing of what it says is believed here. Raises
    :class:`InputError` for what is no picture, and for one that does not say.
    """
    name = shortened(str(path))
    if not os.path.isfile(path):
        raise InputError(f"there is no picture at {name}.")
    try:
        with Image.open(path, formats=tuple(LONGEST)) as opened:
            text = _text(opened)
    except Exception as error:  # a decoder may raise anything at a damaged file
        kinds = ", ".join(LONGEST)
        raise InputError(
            f"{name} cannot be read as {kinds}, which can say how they were made ({type(error).__name__})."
        ) from None
    if text is None:
        raise InputError(f"{name} does not say how it was made; pictures of edit, sweep and redo do.")
    if len(text) > max(LONGEST.values()):
        raise InputError(f"{name} says more of how it was made than this package writes; it is not from here.")
    try:
        found = json.loads(text, parse_constant=_refuse)[KEY]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict) or _deep(found):
        raise InputError(f"what {name} says of how it was made is damaged.")
    return found


def _deep(value: Any, left: int = LEVELS) -> bool:
    """Whether more than so many levels are nested."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left == 0 or any(_deep(item, left - 1) for item in items)


def _text(opened: Image.Image) -> str | None:
    """What was put there by :func:`metadata_options`."""
    if opened.format == "PNG":
        said = opened.info.get(KEY)
        return said if isinstance(said, str) else None
    exif = opened.getexif()
    said = exif.get(DESCRIPTION) if opened.format == "TIFF" else exif.get_ifd(EXIF_IFD).get(USER_COMMENT)
    text = said.removeprefix(ASCII).decode("latin-1") if isinstance(said, bytes) else str(said)
    return text if text.startswith(json.dumps({KEY: 0})[:-2]) else None  # other programs write there too


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
