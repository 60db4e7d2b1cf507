"""Total variation over range: how smoothly a number that is turned moves a metric (GRAG, arXiv:2510.24657, §6.4)."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..comparison import Column, Comparison
from ..intervals import Mean, drawn_means, interval, numbered
from ..strength import Curve


def variation(curve: Sequence[float]) -> float:
    """Total variation over range: 1 for a curve that only rises or only falls, more the more it goes back and forth;
    nan for one that is flat."""
    reach = max(curve) - min(curve)
    return sum(abs(b - a) for a, b in pairwise(curve)) / reach if reach else math.nan


def excess(curve: Curve, other: Curve, column: Column, comparison: Comparison) -> tuple[Mean, Mean, Mean]:
    """The ratios of two curves, and how far the second is above the first, over the samples they share; resampled by
    session with a fixed seed, nan for flat curves and without samples."""
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
