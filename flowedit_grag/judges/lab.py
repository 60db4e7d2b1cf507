"""The lab's judge: the oracle reads all three pictures and compares them with what was asked."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from ..errors import InputError
from ..lab import world
from ..lab.grade import same
from ..lab.instructions import Asked, parse
from ..lab.oracle import ItemReading, Reading, read
from .base import Verdict


class LabJudge:
    """What was asked counts first, then how much of everything else is still the original's."""

    @staticmethod
    def arguments(rest: str) -> tuple[()]:
        """From what follows ``lab`` in a judge's name: nothing."""
        if rest:
            raise InputError(f"the lab's judge has no models to choose from; say 'lab', not 'lab:{rest}'.")
        return ()

    def __call__(self, instruction: str, original: Image.Image, first: Image.Image, second: Image.Image) -> Verdict:
        asked, pictures = parse(instruction), (original, first, second)
        source, *edits = (read(np.asarray(picture.convert("RGB"))) for picture in pictures)
        if asked is None:
            return Verdict(None, "the instruction is not one of the lab's")
        if not source.readable:
            return Verdict(None, "the oracle cannot read the original")
        meant = [item for item in source.items or () if item.shape == asked.shape]
        if asked.shape and len(meant) != 1:
            return Verdict(None, f"the original shows {len(meant)} items that are a {asked.shape}")
        one, two = (score(asked, meant[0] if meant else None, source, edit) for edit in edits)
        return Verdict.higher(one, two, f"asked {one[0]:.0%}, kept {one[1]:.0%}; asked {two[0]:.0%}, kept {two[1]:.0%}")


def score(asked: Asked, before: ItemReading | None, source: Reading, seen: Reading) -> tuple[float, float]:
    """Shares, 0..1, of what was ``asked`` that is ``seen``, and of all else in the ``source`` that still is.

    ``before`` is the source's item that is meant, if any.
    """
    reached, kept = list(_reached(asked, before, seen)), list(_kept(asked, before, source, seen))
    return sum(reached) / len(reached), sum(kept) / len(kept)


def _reached(asked: Asked, before: ItemReading | None, seen: Reading) -> Iterator[bool]:
    item = _after(asked, before, seen)
    if asked.task == "background":
        yield seen.background == asked.wanted["background"]
    elif asked.task == "remove":
        yield seen.items is not None and item is None
    else:
        yield from (item is not None and getattr(item, name) == value for name, value in asked.wanted.items())


def _kept(asked: Asked, before: ItemReading | None, source: Reading, seen: Reading) -> Iterator[bool]:
    items = source.items or ()
    if asked.task != "background":
        yield seen.background == source.background
    count = len(items) + {"add": 1, "remove": -1}.get(asked.task, 0)
    yield seen.items is not None and len(seen.items) == count
    for item in items:
        if item is not before:
            yield from same(item, seen.item_at(item.position), world.ATTRIBUTES)
        elif asked.task != "remove":
            unasked = [name for name in world.ATTRIBUTES if name not in asked.wanted]
            yield from same(item, _after(asked, before, seen), unasked)


def _after(asked: Asked, before: ItemReading | None, seen: Reading) -> ItemReading | None:
    """The item that was to change or to appear: where it should be now, or else where it was."""
    return seen.item_at(asked.wanted.get("position")) or (seen.item_at(before.position) if before else None)
