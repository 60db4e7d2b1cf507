"""MagicBrush (arXiv:2306.10012): sessions of instructions with the annotators' results."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from ...errors import InputError
from ..masks import transparent
from ..samples import Dataset, Sample
from .base import Benchmark
from .rows import text
from .tables import Table

COLUMNS = ("img_id", "turn_index", "instruction")
PICTURES = ("source_img", "mask_img", "target_img")


@dataclass(frozen=True, kw_only=True)
class MagicBrush(Benchmark):
    """``path`` is the hub id, a parquet file or a folder of them. The hub has the splits ``train`` and ``dev``; the
    test set is a separate download of its authors.

    ``turns="single"`` edits the annotators' picture at every turn; ``"multi"`` edits the result of the turn before.
    There are no captions on the hub.
    """

    path: str = "osunlp/MagicBrush"
    split: str = "dev"
    turns: Literal["single", "multi"] = "single"

    def open(self) -> Dataset:
        table = Table.read(self.path, self.split, COLUMNS, PICTURES)
        samples = tuple(self._sample(table, turn) for turn in _turns(table))
        return Dataset(f"MagicBrush ({self.turns}-turn)", samples)

    def _sample(self, table: Table, turn: "_Turn") -> Sample:
        follows = self.turns == "multi" and turn.number > 1
        return Sample(
            id=f"{turn.image}-{turn.number}",
            image=partial(table.image, turn.row, "source_img"),
            instruction=turn.instruction,
            mask=partial(_mask, table, turn.row),
            truth=partial(table.image, turn.row, "target_img"),
            task=f"turn {turn.number}",
            turn=turn.number,
            previous=f"{turn.image}-{turn.number - 1}" if follows else None,
        )


@dataclass(frozen=True)
class _Turn:
    image: str
    number: int
    instruction: str | None
    row: int


def _turns(table: Table) -> list[_Turn]:
    """Session by session, in order: nothing says that the rows are."""
    sessions: dict[str, list[_Turn]] = {}
    for row, (where, values) in enumerate(table.values(COLUMNS)):
        if type(values["turn_index"]) is not int:
            raise InputError(f"{where}: turn_index must be a whole number, not {values['turn_index']!r}.")
        turn = _Turn(str(values["img_id"]), values["turn_index"], text(values, "instruction", where), row)
        sessions.setdefault(turn.image, []).append(turn)
    for image, session in sessions.items():
        session.sort(key=lambda turn: turn.number)
        numbers = [turn.number for turn in session]
        if numbers != list(range(1, len(numbers) + 1)):
            raise InputError(f"{table.name}: the turns of {image!r} are {numbers}, not 1, 2, 3 and so on.")
    return [turn for session in sessions.values() for turn in session]


def _mask(table: Table, row: int) -> np.ndarray:
    """The hole in ``mask_img``, which is a picture with transparency and not always as large as the image."""
    return transparent(table.picture(row, "mask_img"), table.image(row, "source_img").size, table.where(row))
