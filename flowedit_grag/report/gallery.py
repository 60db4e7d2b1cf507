"""The samples of a comparison in pictures, small enough to lie in the page itself.

All pictures of a page share :data:`BUDGET`: their number sets the largest side that they are scaled down to. 700
samples in 10 rows, with source, mask and truth, are 9,100 pictures of 128 pixels and a page of about 60 MB; those of a
small run keep 256 pixels.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ..backbone.image import read_image
from ..contact_sheet import labelled_grid
from ..errors import first_line
from ..experiments.samples import Sample
from .comparison import ALL, COST, LAST, Comparison, Row
from .runs import Outcome

BUDGET = 48 * 2**20  # bytes of all pictures together, before base64 adds a third
BYTES = 0.3  # of a pixel of a photograph in WebP at QUALITY, about
SIDES = (256, 192, 128, 96, 64)  # pixels
QUALITY = 80


def side(comparisons: Sequence[Comparison]) -> int:
    """The largest side of a picture, in pixels, that keeps the page within its budget."""
    count = sum(len(comparison.ids) * (3 + len(comparison.lines)) for comparison in comparisons)
    return next((side for side in SIDES if count * side**2 * BYTES <= BUDGET), SIDES[-1])


def gallery(comparison: Comparison, side: int, tick: Callable[[], None]) -> list[dict[str, Any]]:
    """For each sample its id, task, entries of the page's filter, words, and pictures, each with a caption; ``tick`` is
    called after each sample.

    A picture has ``image``, a data URI, or else ``reason`` says why it has none.
    """
    found = []
    for id in comparison.ids:
        outcomes = [line.outcomes[id] for line in comparison.lines if id in line.outcomes]
        pictures = [*_given(comparison.samples.get(id), side), *(_edit(line, id, side) for line in comparison.lines)]
        about = {"task": outcomes[0].task, "words": outcomes[0].words} if outcomes else {"task": "", "words": {}}
        found.append({"id": id, "entries": comparison.entries[id], **about, "pictures": pictures})
        tick()
    return found


def contact_sheet(comparison: Comparison) -> bytes | None:
    """PNG of each task's first sample: its source, a column for each row, its ground truth where there is one. Pictures
    are squares of at most the largest of :data:`SIDES`, and white where there is nothing to show. ``None`` where the
    benchmark cannot be opened."""
    if not comparison.samples:
        return None
    tasks = {task: ids for task, ids in comparison.tasks.items() if task not in (ALL, LAST)} or {ALL: comparison.ids}
    first = {task: comparison.samples[ids[0]] for task, ids in tasks.items()}
    truths = any(sample.truth for sample in first.values())
    names = ["source", *(line.label for line in comparison.lines), *(["ground truth"] if truths else [])]
    rows = []
    for sample in first.values():
        made = [_made(line.outcomes.get(sample.id)) for line in comparison.lines]
        rows.append([_opened(picture) for picture in (sample.image, *made, *([sample.truth] if truths else []))])
    shown = [image for row in rows for image in row if isinstance(image, Image.Image)]
    side = min(SIDES[0], max((max(image.size) for image in shown), default=SIDES[0]))
    white = Image.new("RGB", (side, side), "white")
    squares = [[white if isinstance(image, str) else ImageOps.pad(image, white.size, color="white") for image in row]
               for row in rows]  # fmt: skip
    labelled_grid(squares, names, list(first)).save(encoded := BytesIO(), "PNG")
    return encoded.getvalue()


def thumbnail(image: Image.Image, side: int) -> str:
    """A data URI of ``image``, scaled down to at most ``side`` pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    small.save(encoded := BytesIO(), "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + b64encode(encoded.getvalue()).decode()


def _given(sample: Sample | None, side: int) -> Iterator[dict[str, Any]]:
    """What the benchmark has."""
    if sample is None:
        return
    follows = sample.previous is not None  # every row edited what it made of the turn before
    yield _picture("annotators' source" if follows else "source", sample.image, side)
    if (mask := sample.mask) is not None:
        yield _picture("mask", lambda: Image.fromarray(np.uint8(255) * mask()), side)
    if sample.truth is not None:
        yield _picture("truth", sample.truth, side)


def _edit(line: Row, id: str, side: int) -> dict[str, Any]:
    outcome = line.outcomes.get(id)
    if outcome is None or outcome.reason:
        reason = f"failed: {outcome.reason}" if outcome else "not finished"
        return {"caption": line.label, "reason": reason, "edit": True}
    found = {**_picture(line.label, partial(read_image, outcome.picture), side), "edit": True}
    numbers = {column.label: outcome.numbers.get(column.name) for column in line.measured if column not in COST}
    return {**found, "numbers": {name: f"{value:.4g}" for name, value in numbers.items() if value is not None}}


def _made(outcome: Outcome | None) -> Callable[[], Image.Image] | None:
    return None if outcome is None or outcome.reason else partial(read_image, outcome.picture)


def _picture(caption: str, picture: Callable[[], Image.Image], side: int) -> dict[str, Any]:
    found = _opened(picture)
    return {"caption": caption, **({"reason": found} if isinstance(found, str) else {"image": thumbnail(found, side)})}


def _opened(picture: Callable[[], Image.Image] | None) -> Image.Image | str:
    """A picture, or why there is none to show."""
    try:
        return picture().convert("RGB") if picture else "there is none"
    except Exception as error:  # a file of the benchmark that is damaged; the rest of the page does not need it
        return f"cannot be shown: {first_line(error)}"
