"""Emu Edit's test set (arXiv:2311.10089): instructions and captions, no ground truth."""

from dataclasses import dataclass
from functools import partial

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
            id, said = str(values["idx"]), {name: text(values, name, where) for name in COLUMNS[1:]}
            if reason := _flaw(said["input_caption"], said["output_caption"]):
                left_out.append((id, reason))
                continue
            sample = Sample(
                id=id,
                image=partial(table.image, row, "image"),
                source_prompt=said["input_caption"],
                target_prompt=said["output_caption"],
                instruction=said["instruction"],
                task=said["task"] or "",
            )
            samples.append(sample)
        return Dataset("Emu Edit", tuple(samples), tuple(left_out))


def _flaw(*captions: str | None) -> str | None:
    """Why a row with these two cannot be scored, if so."""
    before, after = (" ".join((caption or "").lower().split()).rstrip(" .") for caption in captions)
    if not before or not after:
        return "missing caption"
    if before in PLACEHOLDERS or after in PLACEHOLDERS:
        return "placeholder caption"
    return "identical captions" if before == after else None
