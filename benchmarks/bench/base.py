"""What a section is given, and what it returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.lab.splits import problems
from flowedit_grag.lab.tasks import TASKS
from flowedit_grag.report.intervals import mean, rate
from flowedit_grag.report.measurements import Record, Records, weights

from ..edits import Trial

OUTCOMES = ("success", "kept", "PSNR outside mask, dB", "PSNR to truth, dB")


@dataclass(frozen=True)
class Bench:
    """A model to measure, a folder for records and figures, and how much to measure (1: all of it)."""

    flow: Flow
    out: Path
    split: str = "validation"
    share: float = 1.0
    golden: Path | None = None  # recorded runs of the published implementations

    def records(self, section: str, *made_with: str) -> Records:
        """The records of a section, on disk: of split, share, and the weights of ``made_with``, models and adapters; by
        default of the model."""
        of = {"weights": weights(*(made_with or (self.flow.name,))), "split": self.split, "share": self.share}
        return Records(self.out / f"{section}.jsonl", of)

    def count(self, whole: int) -> int:
        """How many of ``whole`` problems to measure, at least one."""
        return max(1, round(self.share * whole))

    def trials(self, per_task: int, tasks: tuple[str, ...] = TASKS) -> list[Trial]:
        """The share's first problems of each task."""
        count = self.count(per_task)
        edits = problems(self.split, count, tasks)
        return [Trial(self.split, index % count, edit) for index, edit in enumerate(edits)]


@dataclass
class Table:
    """A section's findings: a title, a head, rows of strings, remarks below, and figures by file name."""

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Add a row."""
        self.rows.append([str(cell) for cell in cells])

    def markdown(self) -> str:
        """As Markdown, figures linked relative to their own folder."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        parts = [f"### {self.title}", "\n".join("| " + " | ".join(line) + " |" for line in lines)]
        parts += self.remarks
        parts += [f"![{path.stem}]({path.name})" for path in self.figures]
        return "\n\n".join(parts)


def outcomes(found: Sequence[Record]) -> tuple[str, ...]:
    """The cells of :data:`OUTCOMES` for records of edits."""
    success, kept = (rate([record[key] for record in found]) for key in ("success", "kept"))
    outside, truth = (mean([record[key] for record in found]) for key in ("psnr_outside", "psnr_truth"))
    return success.percent(), kept.percent(), outside.number(), truth.number()
