"""A claim of a paper, and what was found of it here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from flowedit_grag.report.measurements import Record, Records, weights

from ...backbone.flow import Flow
from ...embedded import MODELS
from ...errors import InputError
from ...files import fingerprint
from ..comparison import Comparison, comparisons
from ..intervals import Mean
from ..runs import read_runs

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
    def comparisons(self) -> list[Comparison]:
        """Of the runs, as a report has them. Raises :class:`InputError` for runs of other weights than those here."""
        runs = read_runs(self.runs)
        for run in runs:
            for row, way in run.manifest.made_with.items():
                name, files = way["model"]["name"], way["model"]["files"]
                if name in MODELS and files != fingerprint(MODELS[name]):
                    raise InputError(
                        f"{run.folder}: {row!r} was made with other weights of {name} than those here; "
                        "run its config again."
                    )
        return comparisons(runs)

    def records(self, section: str) -> list[Record]:
        """What the bench has measured in a section, problem by problem in the same order for all contestants; nothing
        where that was on other weights than those here."""
        found = [record for record in Records.read(self.bench / f"{section}.jsonl") if _weights(record)]
        names = sorted({name for record in found for name in _weights(record)})
        here = weights(*names)
        current = [record for record in found if _weights(record).items() <= here.items()]
        much = [(record["of"].get("split"), record["of"].get("share")) for record in current]
        last = [record for record, how in zip(current, much, strict=True) if how == much[-1]]
        return sorted(last, key=lambda record: (str(record.get("task")), int(record.get("index", 0))))


def _weights(record: Record) -> dict[str, str]:
    """What a record was measured on; nothing where it does not say, as those of earlier versions."""
    of = record.get("of")
    found = of.get("weights") if isinstance(of, dict) else None
    return found if isinstance(found, dict) else {}


Judge = Callable[[Evidence], Iterator[Claim]]


def judged(difference: Mean) -> Verdict:
    """Of a difference that a claim says is above 0: undecided while its interval has 0 in it or too little is known."""
    if not difference.n:
        return "not measured"
    if not difference.is_enough:
        return "undecided"
    return "holds" if difference.low > 0 else "does not hold" if difference.high < 0 else "undecided"
