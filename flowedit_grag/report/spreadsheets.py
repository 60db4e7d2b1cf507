"""CSV: what is in the tables, and the number of every sample."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from .columns import Column
from .comparison import Comparison
from .differences import all_differences
from .intervals import Mean
from .scores import means

OWN = ("method", "grag", "model", "adapter")  # settings of a row that are no options


def scores_csv(comparisons: Sequence[Comparison]) -> str:
    """A line for every benchmark, task, row and metric."""
    return _csv(line for comparison in comparisons for line in _scores(comparison))


def differences_csv(comparisons: Sequence[Comparison]) -> str:
    """A line for every benchmark, pair of rows and metric."""
    return _csv(line for comparison in comparisons for line in _differences(comparison))


def samples_csv(comparisons: Sequence[Comparison]) -> str:
    """A line for every benchmark, row and sample, with a column for every metric."""
    return _csv(line for comparison in comparisons for line in _samples(comparison))


def _scores(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for task, ids in comparison.tasks.items():
        for column, of_lines in means(comparison, ids).items():
            for line, found in zip(comparison.lines, of_lines, strict=True):
                grag = line.settings.get("grag") or {}
                options = {key: value for key, value in line.settings.items() if key not in OWN and value is not None}
                yield {
                    "benchmark": comparison.title, "task": task, "run": line.run.name, "row": line.row,
                    "method": line.settings["method"], "delta": grag.get("delta"), "lam": grag.get("lam"),
                    "options": json.dumps(options), "model": line.model, **_numbers("value", column, found),
                }  # fmt: skip


def _differences(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for (one, other), of_pair in all_differences(comparison).items():
        first, second = comparison.lines[one], comparison.lines[other]
        for column, found in of_pair.items():
            yield {
                "benchmark": comparison.title, "run": first.run.name, "row": first.row,
                "minus_run": second.run.name, "minus_row": second.row, **_numbers("difference", column, found),
            }  # fmt: skip


def _samples(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for line in comparison.lines:
        for id, outcome in line.outcomes.items():
            yield {
                "benchmark": comparison.title, "run": line.run.name, "row": line.row, "sample": id,
                "task": outcome.task, "status": "failed" if outcome.reason else "done", "reason": outcome.reason,
                **{column.label: outcome.numbers.get(column.name) for column in line.measured},
            }  # fmt: skip


def _numbers(name: str, column: Column, found: Mean) -> dict[str, Any]:
    numbers = (found.value, found.low, found.high) if found.n else (None,) * 3
    about = {"metric": column.label, "variant": column.variant}
    return {**about, **dict(zip((name, "low", "high"), numbers, strict=True)), "n": found.n}


def _csv(lines: Iterable[Mapping[str, Any]]) -> str:
    """With a column for every name in any of ``lines``; ``None`` is an empty cell."""
    found = list(lines)
    writer = csv.DictWriter(
        taken := StringIO(), dict.fromkeys(name for line in found for name in line), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(found)
    return taken.getvalue()
