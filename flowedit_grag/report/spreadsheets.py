"""CSV: what is in the tables, and the number of every sample."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..files import csv_text
from .comparison import Column, Comparison
from .differences import all_differences
from .intervals import Mean
from .scores import means

OWN = ("method", "grag", "model", "adapter")  # settings of a row that are no options


def spreadsheet(lines: Callable[[Comparison], Iterator[dict[str, Any]]], comparisons: Sequence[Comparison]) -> str:
    """The ``lines`` of all ``comparisons``, with a column for every name in any of them; ``None`` is an empty cell."""
    found = [line for comparison in comparisons for line in lines(comparison)]
    names = dict.fromkeys(name for line in found for name in line)
    return csv_text([tuple(names), *([line.get(name) for name in names] for line in found)])


def score_lines(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """A line for every task, row and metric."""
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


def difference_lines(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """A line for every pair of rows and metric."""
    for (first, second), of_pair in all_differences(comparison).items():
        for column, found in of_pair.items():
            yield {
                "benchmark": comparison.title, "run": first.run.name, "row": first.row,
                "minus_run": second.run.name, "minus_row": second.row, **_numbers("difference", column, found),
            }  # fmt: skip


def sample_lines(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """A line for every row and sample, with a column for every metric."""
    for line in comparison.lines:
        for id, outcome in line.outcomes.items():
            yield {
                "benchmark": comparison.title, "run": line.run.name, "row": line.row, "sample": id,
                "task": outcome.task, "status": "failed" if outcome.reason else "done", "reason": outcome.reason,
                **{column.label: outcome.numbers.get(column.name) for column in line.measured},
            }  # fmt: skip


def _numbers(name: str, column: Column, found: Mean) -> dict[str, Any]:
    numbers = (found.value, found.low, found.high) if found.n else (None,) * 3
    values = dict(zip((name, "low", "high"), numbers, strict=True))
    return {"metric": column.label, "variant": column.variant, **values, "n": found.n}
