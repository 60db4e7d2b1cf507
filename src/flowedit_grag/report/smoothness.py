"""How evenly a number turns an edit (GRAG, arXiv:2510.24657, §6.4 and Fig. 10)."""

import math
from collections.abc import Sequence

import numpy as np

from ..analysis.strength import variation
from ..evaluation.summary import LEVEL, RESAMPLES, Mean
from .captions import setting
from .sheets import Cell, Head, Sheet, number, text
from .strength import Curve, curves
from .studies import COST, Column, Study

FEWEST = 3  # values, below which a curve can go nowhere but one way
DECIMALS = 2
NOTE = (
    "Total variation of the mean curve over its range: 1 is a curve that only rises or only falls, more is one that "
    "goes back and forth. Over the samples that every value has a number for, with 95 % bootstrap intervals."
)


def smoothness(study: Study, name: str) -> Sheet | None:
    """A row for every number that is turned through at least three values; ``None`` where there is no such number."""
    found = [curve for curve in curves(study.lines) if len(curve.points) >= FEWEST]
    if not found:
        return None
    columns = [column for column in study.columns if column not in COST]
    rows = tuple((*_head(curve), *(_cell(curve, column, study.ids) for column in columns)) for curve in found)
    heads = (Head("row", number=False), Head("turned", number=False), Head("values", number=False))
    heads += tuple(Head(column.label) for column in columns)
    return Sheet(name, study.title, "smoothness of what is turned", heads, {"": rows}, notes=(setting(study), NOTE))


def _head(curve: Curve) -> tuple[Cell, ...]:
    values = ", ".join(f"{value:g}" for value, _ in curve.points)
    return text(curve.name), text(curve.turned), text(values)


def _cell(curve: Curve, column: Column, ids: Sequence[str]) -> Cell:
    found = ratio(curve, column, ids)
    return number(found, DECIMALS, note=f"{found.n} samples")


def ratio(curve: Curve, column: Column, ids: Sequence[str]) -> Mean:
    """Total variation over range, resampled by sample with a fixed seed; nan for flat curves, and without samples."""
    drawn, count = _drawn([curve], column, ids)
    return _mean(drawn[:, 0], count)


def excess(curve: Curve, other: Curve, column: Column, ids: Sequence[str]) -> tuple[Mean, Mean, Mean]:
    """The ratios of two curves, and how far the second is above the first, resampled by the samples they share."""
    drawn, count = _drawn([curve, other], column, ids)
    return _mean(drawn[:, 0], count), _mean(drawn[:, 1], count), _mean(drawn[:, 1] - drawn[:, 0], count)


def _drawn(found: Sequence[Curve], column: Column, ids: Sequence[str]) -> tuple[np.ndarray, int]:
    """Ratios ``[1 + RESAMPLES, curves]``, of all shared samples first and nan where a curve is flat; how many share."""
    of = [[line.numbers(column, ids) for _, line in curve.points] for curve in found]
    shared = [id for id in ids if all(id in one and math.isfinite(one[id]) for own in of for one in own)]
    if not shared:
        return np.full((1 + RESAMPLES, len(found)), np.nan), 0
    picks = np.random.default_rng(0).integers(len(shared), size=(RESAMPLES, len(shared)))
    picks = np.vstack([np.arange(len(shared)), picks])
    whole = [np.array([[one[id] for one in own] for id in shared]) for own in of]
    ratios = [[variation(mean.tolist()) for mean in own[picks].mean(axis=1)] for own in whole]
    return np.array(ratios, float).T, len(shared)


def _mean(drawn: np.ndarray, count: int) -> Mean:
    """Of the first, with the interval of the others."""
    if math.isnan(drawn[0]):
        return Mean(math.nan, math.nan, math.nan, 0)
    low, high = np.nanquantile(drawn[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Mean(float(drawn[0]), float(low), float(high), count)
