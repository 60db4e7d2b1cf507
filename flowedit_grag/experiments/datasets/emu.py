"""Emu Edit's test set (arXiv:2311.10089): instructions and captions, no ground truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...tables import ParquetTable, text
from ..samples import Benchmark, Dataset, Sample

COLUMNS = ("idx", "task", "instruction", "input_caption", "output_caption")
PLACEHOLDERS = ("a train station in city",)  # stands where a caption was never written


@dataclass(frozen=True, kw_only=True)
class EmuEdit(Benchmark):
    """``path`` is the hub id, a parquet file or a folder of them.

    Rows with identical, missing or placeholder captions are left out, and listed in the run's ``left_out.csv``: no
    score of a caption means anything there.
    """

    path: str = "facebook/emu_edit_test_set"
    split: str = "test"

    def open(self) -> Dataset:
        table = ParquetTable.read(self.path, self.split, COLUMNS, ("image",))
        samples, left_out = [], []
        for row, (where, values) in enumerate(table.values(COLUMNS)):
            reason = flaw(values, where)
            if reason:
                left_out.append((str(values["idx"]), reason))
            else:
                samples.append(_sample(table, row, values, where))
        return Dataset("Emu Edit", tuple(samples), tuple(left_out))


def flaw(values: Mapping[str, Any], where: str) -> str | None:
    """Why a row cannot be scored, if so."""
    before, after = (_normal(text(values, name, where)) for name in ("input_caption", "output_caption"))
    if not before or not after:
        return "missing caption"
    if before in PLACEHOLDERS or after in PLACEHOLDERS:
        return "placeholder caption"
    return "identical captions" if before == after else None


def _normal(caption: str | None) -> str:
    return " ".join((caption or "").lower().split()).rstrip(" .")


def _sample(table: ParquetTable, row: int, values: Mapping[str, Any], where: str) -> Sample:
    return Sample(
        id=str(values["idx"]),
        image=partial(table.image, row, "image"),
        source_prompt=text(values, "input_caption", where),
        target_prompt=text(values, "output_caption", where),
        instruction=text(values, "instruction", where),
        task=text(values, "task", where) or "",
    )
