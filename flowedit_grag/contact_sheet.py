"""Pictures side by side, each with a label under it."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

BAND = 0.18  # height of the label, / picture height
MINIMUM_BAND, GAP = 22, 6  # pixels


def labelled_strip(images: Sequence[Image.Image], labels: Sequence[str], height: int | None = None) -> Image.Image:
    """A row of ``images`` with ``labels`` on a white sheet, scaled to a common ``height`` (the first one's)."""
    height = height or images[0].height
    scaled = [
        image.resize((max(1, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS)
        for image in images
    ]
    band = _band(scaled[0].size)
    sheet = Image.new("RGB", strip_size([image.size for image in scaled]), "white")
    draw, x = ImageDraw.Draw(sheet), GAP
    for image, label in zip(scaled, labels, strict=True):
        sheet.paste(image, (x, GAP))
        _write(draw, label, (x + image.width / 2, GAP + height + band / 2), image.width, band * 0.6)
        x += image.width + GAP
    return sheet


def strip_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """(width, height) of a strip of pictures of these ``sizes``, all of one height."""
    return sum(width + GAP for width, _ in sizes) + GAP, sizes[0][1] + _band(sizes[0]) + GAP


def _band(size: tuple[int, int]) -> int:
    return max(MINIMUM_BAND, round(BAND * min(size)))


def labelled_grid(rows: Sequence[Sequence[Image.Image]], columns: Sequence[str], names: Sequence[str]) -> Image.Image:
    """Pictures of one size in ``rows``, each with its name on the left, under a label for each column."""
    width, height = rows[0][0].size
    margin, band = max(MINIMUM_BAND * 3, round(0.6 * width)), max(MINIMUM_BAND, round(BAND * height))
    step_x, step_y = width + GAP, height + GAP
    sheet = Image.new("RGB", (margin + step_x * len(columns), band + step_y * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, label in enumerate(columns):
        _write(draw, label, (margin + index * step_x + width / 2, band / 2), width, band * 0.6)
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        top = band + number * step_y
        _write(draw, name, (margin / 2, top + height / 2), margin - 2 * GAP, band * 0.6)
        for index, image in enumerate(row):
            sheet.paste(image, (margin + index * step_x, top))
    return sheet


def _write(draw: ImageDraw.ImageDraw, label: str, center: tuple[float, float], width: int, size: float) -> None:
    """In letters of ``size``, or so small that the ``label`` fits into ``width``."""
    font = ImageFont.load_default(size)
    if (taken := draw.textlength(label, font)) > width:
        font = ImageFont.load_default(max(6.0, size * width / taken))
    draw.text(center, label, fill="black", font=font, anchor="mm")
