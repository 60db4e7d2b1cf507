"""The geometry of a diptych: source on the left, on the right what becomes of it (ICEdit, arXiv:2504.20690, §3.1)."""

from PIL import Image

from ..errors import InputError

TALLEST = 8  # times the width: beyond, memory and not the model decides


def at_width(size: tuple[int, int], width: int) -> tuple[int, int]:
    """``size = (width, height)`` scaled in proportion to ``width`` pixels.

    Raises :class:`InputError` for what is more than :data:`TALLEST` times as high as wide.
    """
    if size[1] > TALLEST * size[0]:
        raise InputError(f"the image is {size[0]}x{size[1]}; crop it to at most {TALLEST} times its width in height.")
    return width, max(1, round(size[1] * width / size[0]))


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """A diptych of two panels of one size."""
    sheet = Image.new("RGB", (left.width + right.width, left.height))
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width, 0))
    return sheet


def panels(sheet: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Left and right panel of a diptych, each without the padding beyond ``size = (width, height)``."""
    width, height = size
    middle = sheet.width // 2
    return sheet.crop((0, 0, width, height)), sheet.crop((middle, 0, middle + width, height))
