"""Rows of a comparison against each other, sample by sample; and where one is right more often than all others."""

from collections.abc import Mapping, Sequence
from functools import cache

from .comparison import RIGHT, Column, Comparison, Row, variants
from .intervals import FEWEST, Mean, share_difference
from .scores import averaged, digits_of, mean_of
from .strength import without_control
from .tables import Cell, Header, Table, number

NATURAL = "its own row with the dial at rest, else the first row"
NOTE = (
    "Each over the samples that both rows have a number for. "
    f"Bold: the interval of this difference, taken alone, lies on one side of 0 ({FEWEST} pairs or sessions, or more)."
)

SURELY = (
    "Bold: more often than every other row, with the interval of each paired difference above 0 "
    f"({FEWEST} samples or sessions, or more)."
)

Pair = tuple[Row, Row]


def differences(comparison: Comparison, name: str) -> Table:
    """Mean differences with intervals: of each row and what it is first compared with, then of each and any other."""
    lines, digits = comparison.lines, digits_of(comparison)
    rows = {
        (one, other): (
            Cell(f"{one.label} − {other.label}"),
            *(_cell(of[column], column, digits[column]) for column in of),
        )
        for (one, other), of in all_differences(comparison).items()
    }
    natural = [(line, other) for line in lines if (other := _reference(lines, line))]
    bodies = {NATURAL: tuple(rows[pair] for pair in natural)}
    bodies |= {other.label: tuple(rows[line, other] for line in lines if line is not other) for other in lines}
    headers = (Header("difference", number=False), *(Header(column.head) for column in comparison.columns))
    notes = (comparison.setting, NOTE, *variants(comparison.columns))
    title = "paired differences with 95 % intervals: Bonett and Price's for rates, else bootstrap"
    return Table(name, comparison.title, title, headers, bodies, "compared with", notes)


def by_task(comparison: Comparison, name: str) -> Table | None:
    """How often rows are right, task by task; ``None`` where that was not measured or there is but one task."""
    lines = [line for line in comparison.lines if RIGHT in line.measured]
    if not lines or len(comparison.tasks) < 2:
        return None
    tasks = comparison.tasks.values()
    best = [_surely_best(comparison, lines, ids) for ids in tasks]
    rows = []
    for line in lines:
        shares = [mean_of(comparison, line, RIGHT, ids).scaled(100) for ids in tasks]
        marks = ["best" if line is of_task else "" for of_task in best]
        cells = (number(of, 0, mark, f"{of.n} samples") for of, mark in zip(shares, marks, strict=True))
        rows.append((Cell(line.label), *cells))
    headers = (Header("row", number=False), *(Header(f"{task}, %") for task in comparison.tasks))
    notes = (comparison.setting, f"Right: {RIGHT.variant}. {SURELY}")
    title = "right edits by task, with 95 % intervals"
    return Table(name, comparison.title, title, headers, {"": tuple(rows)}, notes=notes)


@cache
def all_differences(comparison: Comparison) -> Mapping[Pair, Mapping[Column, Mean]]:
    """Of every two rows, both ways round."""
    found: dict[Pair, Mapping[Column, Mean]] = {}
    for index, first in enumerate(comparison.lines):
        for second in comparison.lines[:index]:
            found[first, second] = {column: paired(comparison, first, second, column) for column in comparison.columns}
            found[second, first] = {column: mean.scaled(-1) for column, mean in found[first, second].items()}
    return found


def paired(comparison: Comparison, first: Row, second: Row, column: Column, ids: Sequence[str] | None = None) -> Mean:
    """The mean (or median) of ``first - second`` over the samples among ``ids`` (by default all) that have a finite
    number in both."""
    ours, theirs = (line.numbers(column, comparison.ids if ids is None else ids) for line in (first, second))
    gaps = {id: value - theirs[id] for id, value in ours.items() if id in theirs}
    return averaged(comparison, column, gaps, share_difference)


def _reference(lines: Sequence[Row], line: Row) -> Row | None:
    """What a row is first compared with: the same with its dial at rest, of its own run if possible; else the first."""
    same = [other for other in lines if without_control(other, line)]
    if same:
        return min(same, key=lambda other: other.run is not line.run)
    return None if line is lines[0] else lines[0]


def _surely_best(comparison: Comparison, lines: Sequence[Row], ids: Sequence[str]) -> Row | None:
    """The row that is right more often than every other, with the interval of each difference above 0."""
    for line in lines:
        gaps = [paired(comparison, line, other, RIGHT, ids) for other in lines if other is not line]
        if gaps and all(gap.is_enough and gap.low > 0 for gap in gaps):
            return line
    return None


def _cell(found: Mean, column: Column, digits: int) -> Cell:
    surely = column.higher_is_better is not None and found.is_enough and (found.low > 0 or found.high < 0)
    mark = ("better" if (found.value > 0) == column.higher_is_better else "worse") if surely else ""
    return number(found, digits, mark, f"{found.n} pairs")
