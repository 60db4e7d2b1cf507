"""A claim of a paper, and what was found of it here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from ..backbone.flow import Flow
from ..evaluation.records import Record, Records
from ..evaluation.summary import Mean
from ..report.runs import read_runs
from ..report.studies import Study, studies

Verdict = Literal["holds", "does not hold", "undecided", "not measured"]


@dataclass(frozen=True)
class Claim:
    """``source`` names the paper and its table or figure; ``measured`` has n and the 95 % interval."""

    source: str
    text: str
    measured: str
    verdict: Verdict


@dataclass(frozen=True)
class Evidence:
    """What claims are held against: a model, the folder of its bench, and runs of the papers' configs."""

    flow: Flow
    bench: Path
    runs: tuple[Path, ...]

    @cached_property
    def studies(self) -> list[Study]:
        """Of the runs, as a report has them."""
        return studies(read_runs(self.runs))

    def records(self, section: str) -> list[Record]:
        """What the bench has measured in a section, problem by problem in the same order for all contestants."""
        found = Records.read(self.bench / f"{section}.jsonl")
        return sorted(found, key=lambda record: (str(record.get("task")), int(record.get("index", 0))))


Judge = Callable[[Evidence], Iterator[Claim]]


def judged(difference: Mean) -> Verdict:
    """Of a difference that a claim says is above 0: undecided while its interval has 0 in it or too little is known."""
    if not difference.n:
        return "not measured"
    if not difference.is_enough:
        return "undecided"
    return "holds" if difference.low > 0 else "does not hold" if difference.high < 0 else "undecided"
