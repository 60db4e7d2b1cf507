"""A claim of a paper, and what was found of it here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from ...embedded import MODELS
from ...errors import InputError
from ...files import fingerprint
from ..comparison import Comparison, comparisons
from ..intervals import NOTHING, Mean
from ..measurements import Record, Records, weights
from ..runs import read_runs

Verdict = Literal["holds", "does not hold", "undecided", "not measured"]

GRAG, ICEDIT = "GRAG (arXiv:2510.24657)", "ICEdit (arXiv:2504.20690)"


@dataclass(frozen=True)
class Claim:
    """``source`` names the paper and its table or figure; ``measured`` has n and the 95 % interval."""

    source: str
    text: str
    measured: str
    verdict: Verdict


@dataclass(frozen=True)
class Evidence:
    """What claims are held against: runs of the papers' configs, and a measurement folder."""

    runs: tuple[Path, ...]
    measurements: Path

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Of the runs, as a report has them. Raises :class:`InputError` for runs of other weights than those here."""
        runs = read_runs(self.runs)
        for run in runs:
            for row, way in run.manifest.made_with.items():
                name, files = way["model"]["name"], way["model"]["files"]
                if name in MODELS and files != fingerprint(MODELS[name]):
                    others = f"{run.folder}: {row!r} was made with other weights of {name} than those here"
                    raise InputError(f"{others}; run its config again.")
        return comparisons(runs)

    def records(self, name: str) -> list[Record]:
        """What was measured last in the section ``name`` of the measurement folder; nothing where that was on other
        weights than those here."""
        found = Records.read(self.measurements / f"{name}.jsonl")
        of = found[-1].get("of") if found else None
        made_of = of.get("weights") if isinstance(of, dict) else None
        if not isinstance(made_of, dict) or made_of != weights(*made_of):
            return []
        return [record for record in found if record.get("of") == of]


def sample(n: int, records: list[Record]) -> str:
    """How many, and of which split."""
    split = records[0]["of"].get("split")
    return f"n = {n}" + (f", {split}" if split else "")


def claimed(source: str, text: str, found: Iterator[tuple[str, Mean]], otherwise: str) -> Claim:
    """Judged by the first of ``found``: what was measured, and the difference that is to be above 0. ``otherwise`` says
    why there is none, mostly what to run."""
    measured, gap = next(found, (otherwise, NOTHING))
    return Claim(source, text, measured, judged(gap))


def judged(difference: Mean) -> Verdict:
    """Of a difference that a claim says is above 0: undecided while its interval has 0 in it or too little is known."""
    if not difference.n:
        return "not measured"
    if not difference.is_enough:
        return "undecided"
    return "holds" if difference.low > 0 else "does not hold" if difference.high < 0 else "undecided"
