"""What a section is given, and what it returns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.experiments.datasets import dataset
from flowedit_grag.experiments.fingerprint import DIGITS, VERSION
from flowedit_grag.experiments.samples import Sample
from flowedit_grag.files import fingerprint
from flowedit_grag.lab.scene import Scene
from flowedit_grag.lab.splits import scenes
from flowedit_grag.report.measurements import Records, weights


@dataclass(frozen=True)
class Bench:
    """A model to measure, the measurement folder, and how much to measure (1: all of it)."""

    flow: ImageFlow
    out: Path
    split: str = "validation"
    share: float = 1.0
    golden: Path | None = None  # recorded runs of the published implementations

    def records(self, *files: str, made_with: Sequence[str] = (), **options: Any) -> Records:
        """The records of the section whose code is in ``files``, of which the first has its name.

        ``made_with`` names models and adapters, by default the bench's model; ``options`` are all that the values
        depend on besides."""
        code = " ".join(str(fingerprint(Path(file)))[:DIGITS] for file in files)
        section, made_of = Path(files[0]).stem, weights(*(made_with or (self.flow.name,)))
        of = {"section": section, "version": VERSION, "code": code, "weights": made_of, "split": self.split}
        return Records(self.out / f"{section}.jsonl", {**of, "options": options})

    def scenes(self, whole: int) -> list[Scene]:
        """The share's first scenes of ``whole``."""
        return scenes(self.split, self.count(whole))

    def problems(self, per_task: int) -> Iterable[Sample]:
        """The share's first problems of each task, as runs have them."""
        return dataset("lab", split=self.split, per_task=self.count(per_task))

    def count(self, whole: int) -> int:
        """How many of ``whole`` to measure, at least one."""
        return max(1, round(self.share * whole))


@dataclass
class Findings:
    """A table: a title, a head, rows of text, remarks below, and figures by file name."""

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
        parts = [f"## {self.title}", "\n".join("| " + " | ".join(line) + " |" for line in lines), *self.remarks]
        return "\n\n".join([*parts, *(f"![{path.stem}]({path.name})" for path in self.figures)])
