"""Which pair is sample number n, and what takes its place: a damaged picture must not end a run of days."""

import logging
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from ...errors import InputError
from ...methods.diptych_frame import at_width
from . import Pair, Pairs

log = logging.getLogger(__name__)
MOST = 16  # in a row that cannot be used: more of them are no accident


class Usable:
    """The first ``count`` of ``pairs``; in place of one that cannot be used comes the next that can.

    Which one that is depends on the data alone, so that a killed run goes on with the same. Each is logged once.
    """

    def __init__(self, pairs: Pairs, count: int, width: int):
        self.pairs, self.count, self.width = pairs, count, width
        self.said: set[int] = set()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Pair:
        """Raises :class:`InputError` where too many cannot be used."""
        for place in range(index, index + min(MOST, self.count)):
            number = place % self.count
            try:
                return checked(self.pairs, number, self.width)
            except InputError as error:
                if number not in self.said:
                    log.warning("left out: %s", error)
                self.said.add(number)
                last = error
        raise InputError(f"no pair can be used among {min(MOST, self.count)} in a row; the last: {last}")


def usable(pairs: Pairs, numbers: Iterable[int], width: int) -> list[Pair]:
    """Those of the given ``numbers`` that can be used; the others are logged."""
    found = []
    for number in numbers:
        try:
            found.append(checked(pairs, number, width))
        except InputError as error:
            log.warning("left out: %s", error)
    return found


def checked(pairs: Pairs, number: int, width: int) -> Pair:
    """A pair. Raises :class:`InputError` where it cannot be read, or its pictures do not fit each other."""
    pair = pairs[number]
    source, target = (at_width(picture.size, width) for picture in (pair.source, pair.target))
    if abs(source[1] - target[1]) > 1:  # one pixel is rounding
        raise InputError(f"{pair.name}: source and target differ in shape, {pair.source.size}, {pair.target.size}.")
    return pair


def shuffled(sample: int, count: int, seed: int) -> int:
    """The number of the pair that ``sample`` is of: every one of ``count`` once an epoch, each epoch in an order of its
    own."""
    epoch, place = divmod(sample, count)
    return int(_permutation(seed, epoch, count)[place])


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
