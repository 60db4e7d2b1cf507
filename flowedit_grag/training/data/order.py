"""Which pair is sample number n."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Shuffled:
    """An endless order over ``count`` pairs: every pair once an epoch, each epoch in an order of its own."""

    count: int
    seed: int

    def __getitem__(self, sample: int) -> int:
        epoch, place = divmod(sample, self.count)
        return int(_permutation(self.seed, epoch, self.count)[place])


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
