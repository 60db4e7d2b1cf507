"""Rows of a comparison against each other, sample by sample."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from .columns import Column, variants
from .comparison import Comparison, Row
from .intervals import FEWEST, Mean, difference, median, share_difference
from .scores import means, sessions
from .strength import without_control
from .tables import Cell, Header, Table, decimals, number, text

NATURAL = "its own row with the dial at rest, else the first row"
NOTE = (
    "Each over the samples that both rows have a number for. "
    f"Bold: the interval of this difference, taken alone, lies on one side of 0 ({FEWEST} pairs or sessions, or more)."
)

Pair = tuple[int, int]  # of lines
Differences = Mapping[Pair, Mapping[Column, Mean]]


def differences(comparison: Comparison, name: str) -> Table:
    """Mean differences with intervals: of each row and what it is first compared with, then of each and any other."""
    found, everyone = all_differences(comparison), range(len(comparison.lines))
    digits = {
        column: decimals(one.value for one in of_lines)
        for column, of_lines in means(comparison, comparison.ids).items()
    }
    rows = {pair: _row(comparison, pair, of_pair, digits) for pair, of_pair in found.items()}
    natural = [(one, other) for one in everyone if (other := reference(comparison.lines, one)) is not None]
    bodies = {NATURAL: tuple(rows[pair] for pair in natural)}
    for other in everyone:
        bodies[comparison.lines[other].label] = tuple(rows[one, other] for one in everyone if one != other)
    headers = (Header("difference", number=False), *(Header(column.head) for column in comparison.columns))
    notes = (comparison.setting, NOTE, *sessions(comparison), *variants(comparison.columns))
    title = "paired differences with 95 % intervals: Bonett and Price's for rates, else bootstrap"
    return Table(name, comparison.title, title, headers, bodies, "compared with", notes)


@cache
def all_differences(comparison: Comparison) -> Differences:
    """Of every two lines, both ways round."""
    found: dict[Pair, Mapping[Column, Mean]] = {}
    for one, first in enumerate(comparison.lines):
        for other, second in enumerate(comparison.lines[:one]):
            of_pair = {column: paired(comparison, first, second, column) for column in comparison.columns}
            found[one, other] = of_pair
            found[other, one] = {column: _turned(mean) for column, mean in of_pair.items()}
    return found


def paired(comparison: Comparison, first: Row, second: Row, column: Column, ids: Sequence[str] | None = None) -> Mean:
    """The mean (or median) of ``first - second`` over the samples among ``ids`` (by default all) that have a finite
    number in both."""
    ours, theirs = (line.numbers(column, comparison.ids if ids is None else ids) for line in (first, second))
    both = [id for id in ours if id in theirs and math.isfinite(ours[id] - theirs[id])]
    pairs = [ours[id] for id in both], [theirs[id] for id in both]
    found_in = [comparison.session[id] for id in both]
    if column.is_rate and len(set(found_in)) == len(found_in):
        return share_difference(*pairs)
    if column.by_median:
        return median(np.subtract(*pairs).tolist(), found_in)
    return difference(*pairs, found_in)


def reference(lines: Sequence[Row], index: int) -> int | None:
    """What a row is first compared with: the same with its dial at rest, of its own run if possible; else the first."""
    same = [at for at, other in enumerate(lines) if without_control(other, lines[index])]
    if same:
        return min(same, key=lambda at: lines[at].run is not lines[index].run)
    return 0 if index else None


def _turned(mean: Mean) -> Mean:
    return replace(mean, value=-mean.value, low=-mean.high, high=-mean.low)


def _row(
    comparison: Comparison, pair: Pair, of_pair: Mapping[Column, Mean], digits: Mapping[Column, int]
) -> tuple[Cell, ...]:
    first, second = (comparison.lines[index].label for index in pair)
    cells = (_cell(mean, column, digits[column]) for column, mean in of_pair.items())
    return text(f"{first} − {second}"), *cells


def _cell(found: Mean, column: Column, digits: int) -> Cell:
    surely = found.is_enough and (found.low > 0 or found.high < 0)
    mark = ("better" if (found.value > 0) == column.higher_is_better else "worse") if surely else ""
    return number(found, digits, mark, f"{found.n} pairs")
