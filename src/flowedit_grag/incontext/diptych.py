"""The geometry of a diptych: source on the left, on the right what becomes of it (ICEdit, arXiv:2504.20690, §3.1)."""

from PIL import Image


def at_width(image: Image.Image, width: int) -> Image.Image:
    """``image`` scaled in proportion to ``width`` pixels."""
    if image.width == width:
        return image
    return image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS)


def beside_itself(panel: Image.Image) -> Image.Image:
    """A diptych of ``panel`` twice."""
    sheet = Image.new("RGB", (2 * panel.width, panel.height))
    sheet.paste(panel, (0, 0))
    sheet.paste(panel, (panel.width, 0))
    return sheet


def right_panel(sheet: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The right panel of a diptych, without the padding beyond ``size = (width, height)``."""
    left = sheet.width // 2
    return sheet.crop((left, 0, left + size[0], size[1]))
