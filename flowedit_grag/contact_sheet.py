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


def labelled_grid(rows: Sequence[Sequence[Image.Image]], columns: Sequence[str], names: Sequence[str]) -> Image.Image:
    """Pictures of one size in ``rows``, each with its name on the left, under a label for each column."""
    width, height = rows[0][0].size
    margin, band = max(MINIMUM_BAND * 3, round(0.6 * width)), max(MINIMUM_BAND, round(BAND * height))
    step_x, step_y = width + GAP, height + GAP
    sheet = Image.new("RGB", (margin + step_x * len(columns), band + step_y * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, label in enumerate(columns):
        font = _font_that_fits(draw, label, width, band * 0.6)
        draw.text((margin + index * step_x + width / 2, band / 2), label, fill="black", font=font, anchor="mm")
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        top = band + number * step_y
        font = _font_that_fits(draw, name, margin - 2 * GAP, band * 0.6)
        draw.text((margin / 2, top + height / 2), name, fill="black", font=font, anchor="mm")
        for index, image in enumerate(row):
            sheet.paste(image, (margin + index * step_x, top))
    return sheet


def _to_height(image: Image.Image, height: int) -> Image.Image:
    if image.height == height:
        return image
    return image.resize((max(1, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS)


def _font_that_fits(draw: ImageDraw.ImageDraw, label: str, width: int, size: float):
    font = ImageFont.load_default(size)
    taken = draw.textlength(label, font)
    return font if taken <= width else ImageFont.load_default(max(6.0, size * width / taken))
