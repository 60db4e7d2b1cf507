"""Colours of any mode and profile as sRGB."""

import warnings
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from ..errors import first_line

MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # by a profile's colour space
SAME = 1  # level: a profile that changes no colour by more is sRGB under another name
STRIP = 2**20  # pixels that are converted at once, so that a large picture is in memory twice, not five times


def srgb(image: Image.Image, name: str) -> Image.Image:
    """``image`` (8 bits a channel) in RGB, by its profile if it has one; what is transparent is laid on white.

    A profile that is damaged or of another kind of colour is left out with a warning that names ``name``.
    """
    mode, convert = _profiled(image, name)
    result, rows = Image.new("RGB", image.size), max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        result.paste(_strip(image.crop(box), mode, convert), box)
    return result


def _strip(image: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    if image.mode in ("RGBa", "La"):  # multiplied by alpha, which PIL undoes for these two only
        image = image.convert(image.mode.upper())
    colours = convert(image.convert(mode))
    if image.has_transparency_data:
        colours.putalpha(image.convert("RGBA").getchannel("A"))
        colours = Image.alpha_composite(Image.new("RGBA", image.size, "white"), colours)
    return colours.convert("RGB")


def _profiled(image: Image.Image, name: str) -> tuple[str, Callable[[Image.Image], Image.Image]]:
    """The mode in which the colours of ``image`` go to sRGB, and how."""
    plain = "RGB", lambda colours: colours
    profile = image.info.get("icc_profile")
    if not profile or image.mode == "LAB":  # which PIL converts by itself
        return plain
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        mode = MODES.get(space)
        grey, cmyk = image.mode in ("1", "L", "LA", "La"), image.mode == "CMYK"
        if mode is None or (mode == "CMYK") != cmyk or (mode == "L" and not grey):
            raise ValueError(f"it is for {space}, not for {image.mode}")
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except Exception as error:  # of a library, about bytes from anywhere
        warnings.warn(
            f"{name}: its colour profile cannot be used ({first_line(error)}); colours are taken as sRGB.", stacklevel=4
        )
        return plain
    if mode != "CMYK" and _is_srgb(transform, mode):
        return plain
    return mode, transform.apply


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    steps = np.arange(0, 256, 15 if mode == "RGB" else 1, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3) if mode == "RGB" else steps[None]
    sent = Image.fromarray(grid)
    change = np.asarray(transform.apply(sent), int) - np.asarray(sent.convert("RGB"), int)
    return bool(np.abs(change).max() <= SAME)
