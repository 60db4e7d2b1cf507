"""ICEdit's Table 3 (b): how many seeds, how many steps of each, and who judges."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flowedit_grag.editor import Editor
from flowedit_grag.errors import InputError, first_line
from flowedit_grag.methods.early_filter import EarlyFilter
from flowedit_grag.report.intervals import rate, share_difference
from flowedit_grag.report.measurements import Record, Records

from ..edits import Trial, verdicts
from .base import Bench, Table
from .instructions import STAGES, opened

PER_TASK = 10
STAGE = STAGES[-1]  # the LoRA-MoE


@dataclass(frozen=True)
class Setting:
    """``seeds`` and ``steps`` of previews as in the paper, (M, m)."""

    seeds: int
    steps: int
    judge: str = "lab"
    resume: bool = False

    @property
    def label(self) -> str:
        if self.seeds == 1:
            return "(1, -)"
        return f"({self.seeds}, {self.steps}) {self.judge}" + (", resumed" if self.resume else "")

    @property
    def filter(self) -> EarlyFilter | None:
        """One for all trials, so that its judge is loaded once."""
        if self.seeds == 1:
            return None
        return EarlyFilter(seeds=self.seeds, steps=self.steps, judge=self.judge, resume=self.resume)


ONE, CHEAP, FULL = Setting(1, 0), Setting(6, 10), Setting(6, 50)
RESUMED = Setting(6, 10, resume=True)
SETTINGS = (ONE, Setting(6, 4), CHEAP, Setting(12, 10), FULL, RESUMED, Setting(6, 50, "clip"))
COMPARED = ((CHEAP, ONE), (CHEAP, FULL), (RESUMED, CHEAP))


def section(bench: Bench) -> Table:
    trials, records = bench.trials(PER_TASK), bench.records("early-filter", *STAGE.made_with)
    editor = Editor(STAGE.contestant.method, opened(bench, STAGE), **STAGE.contestant.options)
    table = Table(
        f"Early filter with the LoRA-MoE, {len(trials)} {bench.split} edits (ICEdit, Table 3 b)",
        ("(M, m) judge", "success", "right", "NFE", "undecided comparisons"),
    )
    found: dict[str, list[Record]] = {}
    for setting in SETTINGS:
        try:
            early = setting.filter
            own = found[setting.label] = [_record(editor, setting, early, trial, records) for trial in trials]
        except InputError as error:
            table.add(setting.label, f"not measured: {first_line(error)}", "", "", "")
            continue
        success, right = (rate([bool(value) for value in _values(own, key)]) for key in ("success", "right"))
        nfe, undecided = (np.mean(_values(own, key)) for key in ("nfe", "undecided"))
        table.add(setting.label, success.percent(), right.percent(), f"{nfe:.0f}", f"{undecided:.1f}")
    table.remarks += _gaps(found)
    return table


def _gaps(found: dict[str, list[Record]]) -> Iterator[str]:
    for first, second in COMPARED:
        gap = share_difference(*(_values(found[setting.label], "success") for setting in (first, second)))
        yield f"{first.label} over {second.label}: success {gap.gap('points', 0)}."


def _values(found: list[Record], key: str) -> list[float]:
    if key == "right":
        return [float(record["success"] and record["kept"]) for record in found]
    return [float(record[key]) for record in found]


def _record(editor: Editor, setting: Setting, early: EarlyFilter | None, trial: Trial, records: Records) -> Record:
    key = f"{setting.label} | {trial.id}"
    if records.missing([key]):
        source = trial.edit.images()[0]
        made = editor.edit(source, instruction=trial.edit.instruction, seed=trial.seed, early_filter=early)
        facts = {"label": setting.label, "task": trial.edit.task, "index": trial.index, "nfe": made.nfe}
        undecided = made.filtered.undecided if made.filtered else 0
        records.add(key, **facts, **verdicts(trial.edit, np.asarray(made.image)), undecided=undecided)
    return records.known[key]
