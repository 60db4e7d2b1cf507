"""MagicBrush (arXiv:2306.10012): sessions of instructions with the annotators' results."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from ...backbone.image import alpha_of, read_image
from ...errors import InputError
from ...tables import ParquetTable, existing, from_json, read_text, require, text
from ..samples import Benchmark, Dataset, Sample

COLUMNS = ("img_id", "turn_index", "instruction")
PICTURES = ("source_img", "mask_img", "target_img")
# Of the authors' own download.
SESSIONS, CAPTIONS = "edit_sessions.json", "local_descriptions.json"
NAMES = ("input", "mask", "output", "instruction")


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
        folders = (Path(self.path), Path(self.path) / self.split)
        release = next((folder for folder in folders if os.path.isfile(folder / SESSIONS)), None)
        turns = _turns_of_release(release) if release else _turns_of_table(self.path, self.split)
        if self.turns == "multi":
            turns = (
                replace(one, previous=f"{one.id.rpartition('-')[0]}-{one.turn - 1}") if one.turn > 1 else one
                for one in turns
            )
        return Dataset(f"MagicBrush ({self.turns}-turn)", tuple(turns))


def _turns_of_release(folder: Path) -> Iterator[Sample]:
    """``edit_sessions.json`` has by session its turns in order, each with the names of three pictures in
    ``images/SESSION`` and the instruction. Captions of the results, by which MagicBrush takes CLIP-T, may be in
    ``local_descriptions.json``, by session and picture.
    """
    sessions = str(folder / SESSIONS)
    captions = _object(folder / CAPTIONS) if os.path.isfile(folder / CAPTIONS) else {}
    for session, turns in _object(folder / SESSIONS).items():
        if not isinstance(turns, list) or not all(isinstance(values, dict) for values in turns):
            raise InputError(f"{sessions}, {session!r} is not a list of turns.")
        results = captions.get(session)
        for number, values in enumerate(turns, start=1):
            where = f"{sessions}, {session!r}, turn {number}"
            require(NAMES, values, where)
            said = {name: text(values, name, where) or "" for name in NAMES}
            if not all(said.values()):
                raise InputError(f"{where}: {', '.join(name for name in NAMES if not said[name])} is empty.")
            images = folder / "images" / Path(session).name
            source, mask, target = (existing(images, Path(said[name]).name, sessions) for name in NAMES[:3])
            caption = text(results, said["output"], str(folder / CAPTIONS)) if isinstance(results, dict) else None
            pictures = partial(read_image, source), partial(alpha_of, mask), partial(read_image, target)
            yield _turn(session, number, said["instruction"], *pictures, str(mask), caption)


def _turns_of_table(path: str, split: str) -> Iterable[Sample]:
    """Session by session, in order: nothing says that the rows are."""
    table = ParquetTable.read(path, split, COLUMNS, PICTURES)
    sessions: dict[str, list[Sample]] = {}
    for row, (where, values) in enumerate(table.values(COLUMNS)):
        name, number = str(values["img_id"]), values["turn_index"]
        if type(number) is not int:
            raise InputError(f"{where}: turn_index must be a whole number, not {number!r}.")
        source, target = (partial(table.image, row, column) for column in ("source_img", "target_img"))
        mask = partial(table.alpha, row, "mask_img")
        turn = _turn(name, number, text(values, "instruction", where), source, mask, target, where)
        sessions.setdefault(name, []).append(turn)
    for name, session in sessions.items():
        session.sort(key=lambda one: one.turn)
        if (numbers := [one.turn for one in session]) != list(range(1, len(numbers) + 1)):
            raise InputError(f"{table.name}: the turns of {name!r} are {numbers}, not 1, 2, 3 and so on.")
    return chain.from_iterable(sessions.values())


def _turn(
    session: str, number: int, instruction: str | None, source: Callable[[], Image.Image],
    mask: Callable[[], Image.Image | None], target: Callable[[], Image.Image], where: str, caption: str | None = None,
) -> Sample:  # fmt: skip
    """One of a session's edits; ``caption`` describes the result."""
    return Sample(
        id=f"{session}-{number}",
        image=source,
        instruction=instruction,
        target_prompt=caption,
        mask=partial(_hole, mask, source, where),
        truth=target,
        task=f"turn {number}",
        turn=number,
    )


def _hole(mask: Callable[[], Image.Image | None], source: Callable[[], Image.Image], where: str) -> np.ndarray:
    """``[H, W]`` bool: where ``mask``, an alpha channel that is not always as large as the source, is transparent."""
    alpha = mask()
    if alpha is None:
        raise InputError(f"{where}: the mask has no transparent part, which is what may change.")
    return np.asarray(alpha.resize(source().size, Image.Resampling.NEAREST)) < 255


def _object(file: Path) -> dict[str, Any]:
    found = from_json(read_text(file), file)
    if not isinstance(found, dict):
        raise InputError(f"{file} must have an object with an entry for each session.")
    return found
