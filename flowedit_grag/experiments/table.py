"""The table of a run: means over samples, what failed, what is missing and why."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..files import written
from .job import Job

UP, DOWN = "↑", "↓"  # higher is better, lower is better
INFINITE = "infinite: the pictures are the same"
UNMEASURED = "not measured yet"


def directed(name: str, higher_is_better: bool | None) -> str:
    """``name`` with an arrow that says which way is better, where one is."""
    return name if higher_is_better is None else f"{name} {UP if higher_is_better else DOWN}"


@dataclass(frozen=True)
class MeanScore:
    """The mean over the ``n`` samples that have a finite number; reasons of the others, and how many have each."""

    mean: float | None
    n: int
    missing: Mapping[str, int]

    def __str__(self) -> str:
        return "–" if self.mean is None else f"{self.mean:.4g}"


@dataclass(frozen=True)
class RunTableRow:
    """A row. ``failures`` has the reason of each sample that failed; ``nfe`` is the mean of the others. ``undecided``
    says why the judge of an early filter decided nothing, and how often: the champion stayed. ``group`` names the rows
    that it was computed with, if any: ``nfe`` is then its share of what they cost together."""

    row: str
    done: int
    unfinished: int
    failures: Mapping[str, str]
    nfe: float | None
    entries: tuple[MeanScore, ...]
    undecided: Mapping[str, int] = field(default_factory=dict)
    group: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunTable:
    """Nothing in it depends on when, where or in which order its numbers were made: equal runs have equal tables."""

    columns: tuple[str, ...]  # names of the metrics
    higher_is_better: tuple[bool | None, ...]
    lines: tuple[RunTableRow, ...]
    left_out: Mapping[str, int]  # why the benchmark leaves out some of what it lists, and how much
    variants: tuple[str, ...] = ()  # of the metrics: backbone and details

    def markdown(self) -> str:
        """The table, and under it how it is measured and whatever it does not have a number for."""
        arrows = [directed(*one) for one in zip(self.columns, self.higher_is_better, strict=True)]
        head = ["row", "n", "failed", *arrows, "NFE"]
        body = [[line.row.replace("|", "\\|"), str(line.done), str(len(line.failures)), *map(str, line.entries),
                 "–" if line.nfe is None else f"{line.nfe:g}"] for line in self.lines]  # fmt: skip
        rows = [head, ["---", *["---:"] * (len(head) - 1)], *body]
        text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        remarks = [f"- {name}: {variant}" for name, variant in zip(self.columns, self.variants, strict=False)]
        remarks += [f"- {remark}" for line in self.lines for remark in self._remarks(line)]
        remarks += [
            f"- {', '.join(group)}: computed together, sharing inversion and source; NFE is a row's share of "
            f"{math.fsum(line.nfe or 0 for line in self.lines if line.row in group):g} an edit"
            for group in dict.fromkeys(line.group for line in self.lines if line.group)
        ]
        remarks += [f"- {count} of the benchmark left out ({reason})" for reason, count in self.left_out.items()]
        return "\n".join([text, "", *remarks]).strip() + "\n"

    def _remarks(self, line: RunTableRow) -> Iterator[str]:
        for name, entry in zip(self.columns, line.entries, strict=True):
            for reason, count in entry.missing.items():
                yield f"{line.row}, {name}: {count} missing ({reason})"
        for reason, count in Counter(line.failures.values()).items():
            yield f"{line.row}: {count} failed ({reason})"
        for reason, count in line.undecided.items():
            yield f"{line.row}: {count} of the early filter's comparisons undecided ({reason})"
        if line.unfinished:
            yield f"{line.row}: {line.unfinished} not finished"


def table(job: Job) -> RunTable:
    """The table of what is there so far."""
    metrics = job.config.metrics
    lines = tuple(_line(row.name, job) for row in job.config.rows)
    left_out = job.config.samples.reasons
    names, variants = tuple(m.name for m in metrics), tuple(m.variant for m in metrics)
    return RunTable(names, tuple(m.higher_is_better for m in metrics), lines, left_out, variants)


def write(table: RunTable, folder: Path) -> None:
    """``table.json`` and ``table.md`` in the ``folder`` of a run."""
    for name, text in (("table.json", json.dumps(asdict(table), indent=1) + "\n"), ("table.md", table.markdown())):
        with written(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")


def _line(row: str, job: Job) -> RunTableRow:
    items = [item for item in job.items if item.row.name == row]
    states = {item.sample.id: job.state(item) for item in items}
    done = [state for state in states.values() if state.status == "done"]
    failures = {id: state.reason for id, state in states.items() if state.status == "failed"}
    entries = tuple(_entry(metric.name, [state.scores for state in done]) for metric in job.config.metrics)
    unsure = Counter(reason for state in done for reason in state.undecided)
    together = items[0].group if items and len(items[0].group) > 1 else ()
    return RunTableRow(
        row, len(done), len(items) - len(done) - len(failures), failures, _mean([state.nfe for state in done]),
        entries, dict(sorted(unsure.items())), together,
    )  # fmt: skip


def _entry(name: str, scores: Sequence[Mapping[str, Mapping[str, Any]]]) -> MeanScore:
    found = [entries[name] for entries in scores if name in entries]
    all_values = [entry["value"] for entry in found if "value" in entry]
    values = [value for value in all_values if math.isfinite(value)]
    missing = Counter(entry["missing"] for entry in found if "missing" in entry)
    missing += Counter({INFINITE: len(all_values) - len(values), UNMEASURED: len(scores) - len(found)})
    return MeanScore(_mean(values), len(values), dict(sorted(missing.items())))


def _mean(values: list[float]) -> float | None:
    """Summed exactly, so that the order does not matter."""
    return math.fsum(values) / len(values) if values else None
