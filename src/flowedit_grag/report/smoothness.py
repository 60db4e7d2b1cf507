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
    of = [line.numbers(column, ids) for _, line in curve.points]
    shared = [id for id in ids if all(id in one and math.isfinite(one[id]) for one in of)]
    whole = np.array([[one[id] for one in of] for id in shared])
    if not shared or (value := variation(whole.mean(axis=0).tolist())) is None:
        return Mean(math.nan, math.nan, math.nan, 0)
    picks = np.random.default_rng(0).integers(len(shared), size=(RESAMPLES, len(shared)))
    drawn = [variation(curve.tolist()) for curve in whole[picks].mean(axis=1)]
    low, high = np.quantile([one for one in drawn if one is not None], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Mean(value, float(low), float(high), len(shared))
