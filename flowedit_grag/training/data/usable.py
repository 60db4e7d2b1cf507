"""Which pair is sample number n, and what takes its place: a damaged picture must not end a run of days."""

import logging
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
        self.left_out: dict[int, str] = {}  # number -> why

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Pair:
        """Raises :class:`InputError` where too many cannot be used."""
        numbers = [place % self.count for place in range(index, index + min(MOST, self.count))]
        for number in numbers:
            if pair := self.get(number):
                return pair
        why = self.left_out[numbers[-1]]
        raise InputError(f"no pair can be used among {len(numbers)} in a row; the last: {why}")

    def get(self, number: int) -> Pair | None:
        """The pair itself; ``None`` where it cannot be read, or its pictures do not fit each other."""
        try:
            pair = self.pairs[number]
            source, target = (at_width(picture.size, self.width)[1] for picture in (pair.source, pair.target))
            if abs(source - target) > 1:  # one pixel is rounding
                shapes = f"{pair.source.size}, {pair.target.size}"
                raise InputError(f"{pair.name}: source and target differ in shape, {shapes}.")
        except InputError as error:
            if number not in self.left_out:
                log.warning("left out: %s", error)
            self.left_out[number] = str(error)
            return None
        return pair


def shuffled(sample: int, count: int, seed: int) -> int:
    """The number of the pair that ``sample`` is of: every one of ``count`` once an epoch, each epoch in an order of its
    own."""
    epoch, place = divmod(sample, count)
    return int(_permutation(seed, epoch, count)[place])


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
