"""What an opened file says of its colours, also where PIL leaves it out."""

import struct
import warnings
from typing import Any

from PIL import Image
from PIL.Jpeg2KImagePlugin import BoxReader

ICC = (2, 3)  # methods of a JPEG 2000 colour box that hold a profile
SRGB_CICP = (1, 13)  # primaries, transfer
SRGB_GAMMA, SRGB_CHROMATICITY = 0.45455, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
CLOSE = 0.01
SIGNATURE = 8  # bytes before a PNG's first chunk


def colour_profile(image: Image.Image, name: str) -> bytes | None:
    """The ICC profile of an ``image`` that is not loaded yet. Warns, naming ``name``, of a PNG that says in another way
    that its colours are not sRGB, as which they are taken."""
    if profile := image.info.get("icc_profile"):
        return profile
    file: Any = getattr(image, "fp", None)  # until it is loaded
    here = file is not None and not file.closed
    if here and image.format == "JPEG2000" and getattr(image, "codec", None) == "jp2":  # no bare code stream
        return _at_start(file, _of_boxes)
    if image.format == "PNG" and (said := (_at_start(file, _cicp) if here else None) or _by_numbers(image.info)):
        warnings.warn(f"{name}: its colours have {said} and no profile; they are taken as sRGB.", stacklevel=4)
    return None


def _at_start(file: Any, read: Any) -> Any:
    position = file.tell()
    file.seek(0)
    try:
        return read(file)
    finally:
        file.seek(position)


def _of_boxes(file: Any) -> bytes | None:
    reader = BoxReader(file)
    while reader.next_box_type() != b"jp2h":
        pass
    header = reader.read_boxes()
    while header.has_next_box():
        if header.next_box_type() == b"colr" and header.read_fields(">BBB")[0] in ICC:
            (profile,) = header.read_fields(f"{header.remaining_in_box}s")
            assert isinstance(profile, bytes)
            return profile
    return None


def _cicp(file: Any) -> str | None:
    """Coding-independent code points other than sRGB's, of a PNG."""
    file.seek(SIGNATURE)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IDAT":
            break
        if kind == b"cICP":
            said = tuple(file.read(2))
            return None if said == SRGB_CICP else f"the code points {said} (cICP; wide or high dynamic range?)"
        file.seek(length + 4, 1)  # and its checksum
    return None


def _by_numbers(info: Any) -> str | None:
    if "srgb" in info:
        return None
    gamma, chromaticity = info.get("gamma", SRGB_GAMMA), info.get("chromaticity", SRGB_CHROMATICITY)
    if abs(gamma - SRGB_GAMMA) > CLOSE:
        return f"a gamma of {gamma:g} (gAMA)"
    if any(abs(own - of) > CLOSE for own, of in zip(chromaticity, SRGB_CHROMATICITY, strict=True)):
        return "primaries of their own (cHRM)"
    return None
