"""CSV: what is in the tables, and the number of every sample."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from .comparison import Comparison
from .differences import all_differences
from .intervals import Mean
from .scores import means

OWN = ("method", "grag", "model", "adapter")  # settings of a row that are no options
INTERVAL = ("low", "high", "n")


def scores_csv(comparisons: Sequence[Comparison]) -> str:
    """A line for every benchmark, task, row and metric."""
    head = (
        "benchmark",
        "task",
        "run",
        "row",
        "method",
        "delta",
        "lam",
        "options",
        "model",
        "metric",
        "variant",
        "value",
    )
    return _csv((*head, *INTERVAL), (line for comparison in comparisons for line in _scores(comparison)))


def differences_csv(comparisons: Sequence[Comparison]) -> str:
    """A line for every benchmark, pair of rows and metric."""
    head = ("benchmark", "run", "row", "minus_run", "minus_row", "metric", "variant", "difference", *INTERVAL)
    return _csv(head, (line for comparison in comparisons for line in _differences(comparison)))


def samples_csv(comparisons: Sequence[Comparison]) -> str:
    """A line for every benchmark, row and sample, with a column for every metric."""
    labels = list(dict.fromkeys(column.label for comparison in comparisons for column in comparison.columns))
    head = ("benchmark", "run", "row", "sample", "task", "status", "reason", *labels)
    return _csv(head, (line for comparison in comparisons for line in _samples(comparison, labels)))


def _scores(comparison: Comparison) -> Iterator[tuple]:
    for task, ids in comparison.tasks.items():
        for column, of_lines in means(comparison, ids).items():
            for line, mean in zip(comparison.lines, of_lines, strict=True):
                grag = line.settings.get("grag") or {}
                options = {key: value for key, value in line.settings.items() if key not in OWN and value is not None}
                dials = (grag.get("delta", ""), grag.get("lam", ""), json.dumps(options))
                made = (line.run.name, line.row, line.settings["method"], *dials, line.model)
                yield comparison.title, task, *made, column.label, column.variant, *_numbers(mean)


def _differences(comparison: Comparison) -> Iterator[tuple]:
    for (one, other), of_pair in all_differences(comparison).items():
        first, second = comparison.lines[one], comparison.lines[other]
        rows = (first.run.name, first.row, second.run.name, second.row)
        for column, mean in of_pair.items():
            yield comparison.title, *rows, column.label, column.variant, *_numbers(mean)


def _samples(comparison: Comparison, labels: Sequence[str]) -> Iterator[tuple]:
    for line in comparison.lines:
        name = {column.label: column.name for column in comparison.columns if column in line.measured}
        for id, outcome in line.outcomes.items():
            numbers = (outcome.numbers.get(name.get(label, ""), "") for label in labels)
            status = "failed" if outcome.reason else "done"
            yield comparison.title, line.run.name, line.row, id, outcome.task, status, outcome.reason, *numbers


def _numbers(mean: Mean) -> tuple:
    return (mean.value, mean.low, mean.high, mean.n) if mean.n else ("", "", "", 0)


def _csv(head: Iterable[str], lines: Iterable[Iterable]) -> str:
    writer = csv.writer(taken := StringIO(), lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return taken.getvalue()
