"""What a number that is turned does to edits: how evenly (GRAG, arXiv:2510.24657, §6.4 and Fig. 10), and which way."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from scipy.stats import spearmanr

from .comparison import COST, Column, Comparison, variants
from .intervals import Mean, drawn_means, interval, mean, median, numbered
from .strength import Curve, curves
from .tables import Cell, Header, Table, number

HEAD = tuple(Header(name, number=False) for name in ("row", "turned", "values"))
STRONG = 0.9  # a rank correlation that counts as one
VARIATION = (
    "Total variation of the mean curve over its range: 1 is a curve that only rises or only falls, more is one that "
    "goes back and forth. Over the samples that every value has a number for, with 95 % bootstrap intervals."
)
CORRELATION = (
    "Spearman's rank correlation of a sample's metric with the number that is turned, 0 where the metric does not "
    f"change: the median of the samples, and the share of samples at {STRONG:g} or more in the median's direction, "
    "with 95 % bootstrap intervals. 1 or -1: every turn of the number changes the metric the same way."
)


def smoothness(comparison: Comparison, name: str) -> list[Table]:
    """Evenness and direction, each with a row for every number that is turned; none where there is no such number."""
    if not (found := curves(comparison.lines)):
        return []
    columns = [column for column in comparison.columns if column not in COST]
    finer = [column for column in columns if not column.is_rate]  # a sample's 0 or 1 has next to no ranks

    def table(what: str, title: str, headers: Sequence[Header], numbers: list[list[Mean]], *notes: str) -> Table:
        rows = []
        for curve, own in zip(found, numbers, strict=True):
            values = ", ".join(f"{value:g}" for value, _ in curve.points)
            cells = (number(one, 2, note=f"{one.n} samples") for one in own)
            rows.append((Cell(curve.name), Cell(curve.turned), Cell(values), *cells))
        said = (comparison.setting, *notes)
        return Table(f"{name}-{what}", comparison.title, title, (*HEAD, *headers), {"": tuple(rows)}, notes=said)

    labels = [Header(column.label) for column in columns]
    even = [[ratio(curve, column, comparison) for column in columns] for curve in found]
    tables = [table("smoothness", "smoothness of what is turned", labels, even, VARIATION, *variants(columns))]
    if finer:
        pairs = [Header(text, column.label) for column in finer for text in ("median", f"at {STRONG:g} or more")]
        ways = [
            [one for column in finer for one in direction_of(correlations(curve, column, comparison), comparison)]
            for curve in found
        ]
        title = "rank correlation with what is turned"
        tables.append(table("correlation", title, pairs, ways, CORRELATION, *variants(finer)))
    return tables


def correlations(curve: Curve, column: Column, comparison: Comparison) -> dict[str, float]:
    """Spearman's rank correlation of ``column`` with what is turned, by sample; 0 where nothing changes."""
    values, of = zip(*((value, line.numbers(column, comparison.ids)) for value, line in curve.points), strict=True)
    heights = {id: [one[id] for one in of] for id in comparison.ids if all(id in one for one in of)}
    return {id: float(spearmanr(values, own).statistic) if len({*own}) > 1 else 0.0 for id, own in heights.items()}


def direction_of(ranks: Mapping[str, float], comparison: Comparison) -> tuple[Mean, Mean]:
    """The median of rank correlations by sample, and the share at :data:`STRONG` or more in the median's direction."""
    found_in = [comparison.session[id] for id in ranks]
    middle = median([*ranks.values()], found_in)
    sign = -1 if middle.value < 0 else 1
    return middle, mean([float(sign * rank >= STRONG) for rank in ranks.values()], found_in)


def variation(curve: Sequence[float]) -> float:
    """Total variation over range: 1 for a curve that only rises or only falls, more the more it goes back and forth;
    nan for one that is flat."""
    reach = max(curve) - min(curve)
    return sum(abs(b - a) for a, b in pairwise(curve)) / reach if reach else math.nan


def ratio(curve: Curve, column: Column, comparison: Comparison) -> Mean:
    """Total variation over range, resampled by session with a fixed seed; nan for flat curves, and without samples."""
    (drawn,), *of = _drawn_ratios([curve], column, comparison)
    return interval(drawn, *of)


def excess(curve: Curve, other: Curve, column: Column, comparison: Comparison) -> tuple[Mean, Mean, Mean]:
    """The ratios of two curves, and how far the second is above the first, over the samples they share."""
    (first, second), *of = _drawn_ratios([curve, other], column, comparison)
    return interval(first, *of), interval(second, *of), interval(second - first, *of)


def _drawn_ratios(found: Sequence[Curve], column: Column, comparison: Comparison) -> tuple[np.ndarray, int, int]:
    """Ratios ``[curves, 1 + RESAMPLES]`` of all samples that the curves share and of sessions drawn again, nan where a
    curve is flat; how many samples, and how many sessions."""
    of = [line.numbers(column, comparison.ids) for curve in found for _, line in curve.points]
    shared = [id for id in comparison.ids if all(id in one and math.isfinite(one[id]) for one in of)]
    if not shared:
        return np.full((len(found), 1), np.nan), 0, 0
    sessions = numbered([comparison.session[id] for id in shared])
    means = drawn_means(np.array([[one[id] for one in of] for id in shared]), sessions)
    parts = np.split(means, np.cumsum([len(curve.points) for curve in found])[:-1], axis=1)
    return np.array([[variation(row) for row in part.tolist()] for part in parts]), len(shared), len({*sessions})
