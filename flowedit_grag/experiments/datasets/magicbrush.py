"""MagicBrush (arXiv:2306.10012): sessions of instructions with the annotators' results."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Literal

import numpy as np
from PIL import Image

from ...backbone.image import read_image
from ...errors import InputError
from ...tables import ParquetTable, text
from ..masks import transparent
from ..samples import Benchmark, Dataset, Sample
from .magicbrush_release import Release, opened

COLUMNS = ("img_id", "turn_index", "instruction")
PICTURES = ("source_img", "mask_img", "target_img")


@dataclass(frozen=True, kw_only=True)
class MagicBrush(Benchmark):
    """``path`` is the hub id, a parquet file or a folder of them, or what the authors' own download unpacks to
    (``edit_sessions.json``, ``images/`` and captions), which is how the test set comes. The hub has the splits
    ``train`` and ``dev``, without captions.

    ``turns="single"`` edits the annotators' picture at every turn; ``"multi"`` edits the result of the turn before.
    """

    path: str = "osunlp/MagicBrush"
    split: str = "dev"
    turns: Literal["single", "multi"] = "single"

    def open(self) -> Dataset:
        release = Release.found(self.path, self.split)
        turns = _turns_of_release(release) if release else _turns_of_table(self.path, self.split)
        return Dataset(f"MagicBrush ({self.turns}-turn)", tuple(self._sample(turn) for turn in turns))

    def _sample(self, turn: "Turn") -> Sample:
        follows = self.turns == "multi" and turn.number > 1
        return Sample(
            id=f"{turn.session}-{turn.number}",
            image=turn.source,
            instruction=turn.instruction,
            target_prompt=turn.caption,
            mask=partial(_mask, turn.mask, turn.source, turn.where),
            truth=turn.target,
            task=f"turn {turn.number}",
            turn=turn.number,
            previous=f"{turn.session}-{turn.number - 1}" if follows else None,
        )


@dataclass(frozen=True)
class Turn:
    """One of a session's edits; its pictures are read when asked for. ``caption`` describes the result."""

    session: str
    number: int
    instruction: str | None
    source: Callable[[], Image.Image]
    mask: Callable[[], Image.Image]
    target: Callable[[], Image.Image]
    where: str
    caption: str | None = None


def _turns_of_release(release: Release) -> Iterable[Turn]:
    for session, number, values in release.turns():
        source, mask, target = (release.file(session, values[name]) for name in ("input", "mask", "output"))
        yield Turn(
            session=session,
            number=number,
            instruction=values["instruction"],
            source=partial(read_image, source),
            mask=partial(opened, mask),
            target=partial(read_image, target),
            where=str(mask),
            caption=release.caption(session, values["output"]),
        )


def _turns_of_table(path: str, split: str) -> Sequence[Turn]:
    """Session by session, in order: nothing says that the rows are."""
    table = ParquetTable.read(path, split, COLUMNS, PICTURES)
    sessions: dict[str, list[Turn]] = {}
    for row, (where, values) in enumerate(table.values(COLUMNS)):
        if type(values["turn_index"]) is not int:
            raise InputError(f"{where}: turn_index must be a whole number, not {values['turn_index']!r}.")
        turn = Turn(
            session=str(values["img_id"]),
            number=values["turn_index"],
            instruction=text(values, "instruction", where),
            source=partial(table.image, row, "source_img"),
            mask=partial(table.picture, row, "mask_img"),
            target=partial(table.image, row, "target_img"),
            where=where,
        )
        sessions.setdefault(turn.session, []).append(turn)
    for name, session in sessions.items():
        session.sort(key=lambda turn: turn.number)
        numbers = [turn.number for turn in session]
        if numbers != list(range(1, len(numbers) + 1)):
            raise InputError(f"{table.name}: the turns of {name!r} are {numbers}, not 1, 2, 3 and so on.")
    return list(chain.from_iterable(sessions.values()))


def _mask(mask: Callable[[], Image.Image], source: Callable[[], Image.Image], where: str) -> np.ndarray:
    """The hole in ``mask``, which is a picture with transparency and not always as large as the source."""
    return transparent(mask(), source().size, where)
