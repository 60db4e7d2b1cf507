"""Did an edit happen, and did everything else stay? Answered by the oracle."""

from dataclasses import dataclass

import numpy as np

from . import world
from .oracle import ItemReading, Reading, read
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
    if edit.task == "background":
        return Grade(reading.background == edit.target.background, _all_match(edit.target.items, reading))
    changed = set(edit.source.items) ^ set(edit.target.items)
    others = [item for item in edit.target.items if item not in changed]
    rest = reading.background == edit.source.background and all(_matches(item, reading) for item in others)
    before = next((item for item in edit.source.items if item in changed), None)
    after = next((item for item in edit.target.items if item in changed), None)
    if after is None:
        gone = reading.items is not None and before is not None and reading.item_at(before.position) is None
        return Grade(gone, rest and len(reading.items or ()) == len(others))
    seen = reading.item_at(after.position)
    if before is None:
        return Grade(seen is not None and _same(after, seen, ("shape", "color", "position")), rest)
    asked = FIELDS[edit.task]
    reached = seen is not None and getattr(seen, asked) == getattr(after, asked)
    unasked = tuple(name for name in world.ATTRIBUTES if name != asked)
    count = len(reading.items or ()) == len(edit.target.items)
    return Grade(reached, rest and count and seen is not None and _same(after, seen, unasked))


def _same(item: Item, seen: ItemReading, names: tuple[str, ...]) -> bool:
    return all(getattr(item, name) == getattr(seen, name) for name in names)


def _matches(item: Item, reading: Reading) -> bool:
    seen = reading.item_at(item.position)
    return seen is not None and _same(item, seen, tuple(world.ATTRIBUTES))


def _all_match(items: tuple[Item, ...], reading: Reading) -> bool:
    return len(reading.items or ()) == len(items) and all(_matches(item, reading) for item in items)
