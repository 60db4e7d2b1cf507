"""Pairs of the lab: drawn when asked for."""

from dataclasses import dataclass

from PIL import Image

from ...algorithms.options import check_options
from ...lab.train.data import edit_at
from . import Pair


@dataclass(frozen=True, kw_only=True)
class LabSource:
    """``pairs`` editing problems of all tasks, from a random stream that no benchmark shares."""

    source: str = "lab"
    pairs: int = 50_000

    def __post_init__(self):
        check_options(self)

    def open(self) -> "LabPairs":
        return LabPairs(self.pairs)


@dataclass(frozen=True)
class LabPairs:
    """The first ``count`` edits."""

    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Pair:
        edit = edit_at(index)
        source, target, _ = edit.images()
        return Pair(Image.fromarray(source), Image.fromarray(target), edit.instruction, f"lab edit {index}")
