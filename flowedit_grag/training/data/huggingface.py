"""Pairs in tables of MagicBrush or OmniEdit: parquet files, or data sets of the hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...backbone.image import UNREADABLE, read_image
from ...errors import InputError, first_line, needed
from ...options import check_options
from ..optimizers import EXTRA
from . import Pair

COLUMNS = {  # data set -> columns of source, target, instruction
    "MagicBrush": ("source_img", "target_img", "instruction"),
    "OmniEdit": ("src_img", "edited_img", "edited_prompt_list"),
}


@dataclass(frozen=True, kw_only=True)
class HuggingFaceSource:
    """``paths`` are parquet files, folders of them, or hub ids, one after the other. ``split`` is that of hub ids, and
    of folders that have files named by it, as ``train-00000.parquet``; else all of a folder's are taken.

    Where a row has several wordings of its instruction (OmniEdit), the first is taken.
    """

    source: str = "huggingface"
    paths: list[str]
    split: str = "train"

    def __post_init__(self):
        check_options(self)
        if not isinstance(self.paths, list) or not self.paths or not all(isinstance(p, str) for p in self.paths):
            raise InputError(f"paths must be a list of files, folders or hub ids, not {self.paths!r}.")

    def open(self) -> "TablePairs":
        """Raises :class:`InputError` for tables that cannot be read and foreign columns."""
        return TablePairs([_Table.read(path, self.split) for path in self.paths])


@dataclass(frozen=True)
class _Table:
    name: str
    rows: Any  # datasets.Dataset, its pictures decoded when a row is asked for
    columns: tuple[str, str, str]
    instructions: list[Any]  # as they are; read without the pictures

    @classmethod
    def read(cls, path: str, split: str) -> "_Table":
        datasets = needed("datasets", "training", EXTRA)
        rows = _rows(datasets, path, split)
        columns = next((names for names in COLUMNS.values() if set(names) <= set(rows.column_names)), None)
        if columns is None:
            known = "; ".join(f"{name}: {', '.join(names)}" for name, names in COLUMNS.items())
            raise InputError(f"{path} has the columns {', '.join(rows.column_names)}; known are {known}.")
        instructions = list(rows[columns[2]])
        try:
            for name in columns[:2]:
                rows = rows.cast_column(name, datasets.Image())
        except Exception as error:  # of arrow, which has many
            raise InputError(f"{path} has no pictures in its column {name!r} ({first_line(error)}).") from error
        return cls(path, rows, columns, instructions)

    def pair(self, row: int) -> Pair:
        """Raises :class:`InputError` for one that cannot be used."""
        name = f"{self.name}, row {row}"
        instruction = _wording(self.instructions[row], name)
        try:
            values = self.rows[row]
        except UNREADABLE as error:
            raise InputError(f"{name}: a picture cannot be read ({first_line(error)}).") from None
        for column in self.columns[:2]:
            if values[column] is None:
                raise InputError(f"{name}: there is no picture in {column!r}.")
        source, target = (read_image(values[column]) for column in self.columns[:2])
        return Pair(source, target, instruction, name)


class TablePairs:
    """The rows of all ``tables``."""

    def __init__(self, tables: list[_Table]):
        self.tables = tables
        self.ends = np.cumsum([len(table.instructions) for table in tables])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Pair:
        number = int(np.searchsorted(self.ends, index, side="right"))
        return self.tables[number].pair(index - (int(self.ends[number - 1]) if number else 0))


def _rows(datasets: Any, path: str, split: str) -> Any:
    place = Path(path)
    found = sorted(place.rglob("*.parquet")) if place.is_dir() else [place]
    files = [str(file) for file in [file for file in found if file.stem.startswith(split)] or found]
    if place.exists() and not files:
        raise InputError(f"there are no parquet files in {path}.")
    try:
        if place.exists():
            return datasets.load_dataset("parquet", data_files=files, split="train")
        return datasets.load_dataset(path, split=split)
    except Exception as error:  # of many libraries: arrow, fsspec, the hub's client
        raise InputError(f"the data set {path!r} cannot be read ({first_line(error)}).") from error


def _wording(said: Any, where: str) -> str:
    said = said[0] if isinstance(said, list) and said else said
    if not isinstance(said, str) or not said.strip():
        raise InputError(f"{where}: the instruction is empty.")
    return said
