"""Did an edit happen, and did everything else stay? Answered by the oracle."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from . import world
from .oracle import ItemReading, read
from .scene import Item
from .tasks import FIELDS, EditingProblem


@dataclass(frozen=True)
class Grade:
    """``success``: the asked attribute was reached. ``kept``: all other stated attributes are the source's."""

    success: bool
    kept: bool


def grade(edit: EditingProblem, image: np.ndarray) -> Grade:
    """Grade an edited picture ``[H, W, 3]`` uint8 of an editing problem."""
    reading = read(image)
    changed = set(edit.source.items) ^ set(edit.target.items)
    others = [item for item in edit.target.items if item not in changed]
    rest = all(all(same(item, reading.item_at(item.position), world.ATTRIBUTES)) for item in others)
    count = len(reading.items or ()) == len(edit.target.items)
    if edit.task == "background":
        return Grade(reading.background == edit.target.background, rest and count)
    rest = rest and reading.background == edit.source.background
    before = next((item for item in edit.source.items if item in changed), None)
    after = next((item for item in edit.target.items if item in changed), None)
    if after is None:
        gone = reading.items is not None and before is not None and reading.item_at(before.position) is None
        return Grade(gone, rest and count)
    seen = reading.item_at(after.position)
    if before is None:
        return Grade(all(same(after, seen, ("shape", "color", "position"))), rest)
    asked = FIELDS[edit.task]
    unasked = [name for name in world.ATTRIBUTES if name != asked]
    return Grade(all(same(after, seen, [asked])), rest and count and all(same(after, seen, unasked)))


def same(item: Item | ItemReading, seen: ItemReading | None, names: Iterable[str]) -> list[bool]:
    """For each of the attributes ``names``, whether it was ``seen`` as it is of ``item``."""
    return [seen is not None and getattr(seen, name) == getattr(item, name) for name in names]
