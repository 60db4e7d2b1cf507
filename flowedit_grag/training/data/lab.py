"""Pairs of the lab: drawn when asked for."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...errors import InputError
from ...lab.tasks import sample_edit
from ...options import check_options
from . import Pair

SEED = 4_000_037  # of the stream
MOST = 10_000_000


@dataclass(frozen=True, kw_only=True)
class LabSource:
    """``pairs`` editing problems of all tasks, from a random stream that neither a benchmark nor the lab's models'
    training shares."""

    source: str = "lab"
    pairs: int = 50_000

    def __post_init__(self):
        check_options(self)
        if self.pairs > MOST:
            raise InputError(f"pairs must be at most {MOST}, which are shuffled in memory, not {self.pairs}.")

    def open(self) -> "LabSource":
        return self

    def __len__(self) -> int:
        return self.pairs

    def __getitem__(self, index: int) -> Pair:
        edit = sample_edit(np.random.default_rng((SEED, index)))
        source, target, _ = edit.images()
        return Pair(Image.fromarray(source), Image.fromarray(target), edit.instruction, f"lab edit {index}")
