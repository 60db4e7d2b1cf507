"""Pictures side by side, each with a label under it."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

BAND = 0.18  # height of the label, / picture height
MINIMUM_BAND, GAP = 22, 6  # pixels


def labelled_strip(images: Sequence[Image.Image], labels: Sequence[str], height: int | None = None) -> Image.Image:
    """A row of ``images`` with ``labels`` on a white sheet, scaled to a common ``height`` (the first one's)."""
    height = height or images[0].height
    scaled = [_to_height(image, height) for image in images]
    band = max(MINIMUM_BAND, round(BAND * min(height, scaled[0].width)))
    sheet = Image.new("RGB", (sum(image.width + GAP for image in scaled) + GAP, height + band + GAP), "white")
    draw, x = ImageDraw.Draw(sheet), GAP
    for image, label in zip(scaled, labels, strict=True):
        sheet.paste(image, (x, GAP))
        font = _font_that_fits(draw, label, image.width, band * 0.6)
        draw.text((x + image.width / 2, GAP + height + band / 2), label, fill="black", font=font, anchor="mm")
        x += image.width + GAP
    return sheet


def _to_height(image: Image.Image, height: int) -> Image.Image:
    if image.height == height:
        return image
    return image.resize((max(1, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS)


def _font_that_fits(draw: ImageDraw.ImageDraw, label: str, width: int, size: float):
    font = ImageFont.load_default(size)
    taken = draw.textlength(label, font)
    return font if taken <= width else ImageFont.load_default(max(6.0, size * width / taken))
