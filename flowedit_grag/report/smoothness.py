"""How evenly a number turns an edit (GRAG, arXiv:2510.24657, §6.4 and Fig. 10)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..analysis.strength import variation
from .captions import setting, variants
from .columns import COST, Column
from .comparison import Comparison
from .intervals import LEVEL, RESAMPLES, Mean
from .scores import sessions
from .strength import Curve, curves
from .tables import Cell, Header, Table, number, text

DECIMALS = 2
NOTE = (
    "Total variation of the mean curve over its range: 1 is a curve that only rises or only falls, more is one that "
    "goes back and forth. Over the samples that every value has a number for, with 95 % bootstrap intervals."
)


def smoothness(comparison: Comparison, name: str) -> Table | None:
    """A row for every number that is turned; ``None`` where there is no such number."""
    if not (found := curves(comparison.lines)):
        return None
    columns = [column for column in comparison.columns if column not in COST]
    rows = tuple((*_head(curve), *(_cell(curve, column, comparison) for column in columns)) for curve in found)
    headers = (Header("row", number=False), Header("turned", number=False), Header("values", number=False))
    headers += tuple(Header(column.label) for column in columns)
    notes = (setting(comparison), NOTE, *sessions(comparison), *variants(columns))
    return Table(name, comparison.title, "smoothness of what is turned", headers, {"": rows}, notes=notes)


def _head(curve: Curve) -> tuple[Cell, ...]:
    values = ", ".join(f"{value:g}" for value, _ in curve.points)
    return text(curve.name), text(curve.turned), text(values)


def _cell(curve: Curve, column: Column, comparison: Comparison) -> Cell:
    found = ratio(curve, column, comparison)
    return number(found, DECIMALS, note=f"{found.n} samples")


def ratio(curve: Curve, column: Column, comparison: Comparison) -> Mean:
    """Total variation over range, resampled by session with a fixed seed; nan for flat curves, and without samples."""
    drawn = _drawn([curve], column, comparison)
    return drawn.mean(drawn.ratios[:, 0])


def excess(curve: Curve, other: Curve, column: Column, comparison: Comparison) -> tuple[Mean, Mean, Mean]:
    """The ratios of two curves, and how far the second is above the first, over the samples they share."""
    drawn = _drawn([curve, other], column, comparison)
    first, second = drawn.ratios.T
    return drawn.mean(first), drawn.mean(second), drawn.mean(second - first)


@dataclass(frozen=True)
class _Drawn:
    """Ratios ``[1 + RESAMPLES, curves]`` of ``n`` samples in ``groups`` sessions: of all of them first, then of
    sessions drawn again; nan where a curve is flat."""

    ratios: np.ndarray
    n: int
    groups: int

    def mean(self, values: np.ndarray) -> Mean:
        """The first of ``values``, with the interval of the others."""
        if math.isnan(values[0]):
            return Mean(math.nan, math.nan, math.nan, 0)
        low, high = np.nanquantile(values[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return Mean(float(values[0]), float(low), float(high), self.n, self.groups)


def _drawn(found: Sequence[Curve], column: Column, comparison: Comparison) -> _Drawn:
    of = [[line.numbers(column, comparison.ids) for _, line in curve.points] for curve in found]
    shared = [id for id in comparison.ids if all(id in one and math.isfinite(one[id]) for own in of for one in own)]
    found_in = list(dict.fromkeys(comparison.session[id] for id in shared))
    if not shared:
        return _Drawn(np.full((1 + RESAMPLES, len(found)), np.nan), 0, 0)
    picks = np.random.default_rng(0).integers(len(found_in), size=(RESAMPLES, len(found_in)))
    picks = np.vstack([np.arange(len(found_in)), picks])
    place = np.array([found_in.index(comparison.session[id]) for id in shared])
    sizes = np.bincount(place)[picks].sum(axis=1, keepdims=True)
    ratios = []
    for own in of:
        sums = np.stack([np.bincount(place, [one[id] for id in shared]) for one in own], axis=1)  # [sessions, values]
        ratios.append([variation(mean.tolist()) for mean in sums[picks].sum(axis=1) / sizes])
    return _Drawn(np.array(ratios, float).T, len(shared), len(found_in))
