"""Pairs in tables of MagicBrush or OmniEdit: parquet files, or data sets of the hub."""

from dataclasses import dataclass
from typing import Any

from torch.utils.data import ConcatDataset, Dataset

from ...errors import InputError
from ...options import check_options
from ...tables import ParquetTable, load_rows
from . import Pair, Pairs

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

    def open(self) -> Pairs:
        """Raises :class:`InputError` for tables that cannot be read and foreign columns."""
        return ConcatDataset([_Table.read(path, self.split) for path in self.paths])


@dataclass(frozen=True)
class _Table(Dataset):
    table: ParquetTable
    pictures: tuple[str, str]
    instructions: list[Any]  # as they are; read without the pictures

    @classmethod
    def read(cls, path: str, split: str) -> "_Table":
        rows = load_rows(path, split, or_all=True)
        columns = next((names for names in COLUMNS.values() if set(names) <= set(rows.column_names)), None)
        if columns is None:
            known = "; ".join(f"{name}: {', '.join(names)}" for name, names in COLUMNS.items())
            raise InputError(f"{path} has the columns {', '.join(rows.column_names)}; known are {known}.")
        source, target, instruction = columns
        return cls(ParquetTable.of(path, rows, (source, target)), (source, target), list(rows[instruction]))

    def __len__(self) -> int:
        return len(self.instructions)

    def __getitem__(self, row: int) -> Pair:
        """Raises :class:`InputError` for one that cannot be used."""
        where, said = self.table.where(row), self.instructions[row]
        wording = said[0] if isinstance(said, list) and said else said
        if not isinstance(wording, str) or not wording.strip():
            raise InputError(f"{where}: the instruction is empty.")
        source, target = (self.table.image(row, column) for column in self.pictures)
        return Pair(source, target, wording, where)
