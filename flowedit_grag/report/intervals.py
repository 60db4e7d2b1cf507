"""Means and medians with bootstrap confidence intervals, and differences of paired measurements."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest, norm

RESAMPLES = 2_000
LEVEL = 0.95
FEWEST = 8  # values (or groups of them), below which a bootstrap interval says too little


@dataclass(frozen=True)
class Mean:
    """A mean, or a :func:`median`, of ``n`` values and its 95 % interval: percentile bootstrap, or Wilson's for a
    :func:`rate`.

    ``groups`` is how many groups of values that depend on each other the ``n`` are in, where they are.
    """

    value: float
    low: float
    high: float
    n: int
    groups: int | None = None

    @property
    def is_enough(self) -> bool:
        """Whether the interval can be believed."""
        return (self.n if self.groups is None else self.groups) >= FEWEST

    def scaled(self, factor: float) -> "Mean":
        """Of all values times ``factor``."""
        low, high = sorted((factor * self.low, factor * self.high))
        return replace(self, value=factor * self.value, low=low, high=high)

    def percent(self) -> str:
        """``83 % (75-90)``."""
        return f"{100 * self.value:.0f} % ({100 * self.low:.0f}-{100 * self.high:.0f})"

    def number(self, digits: int = 1) -> str:
        """``27.3 (26.5-28.1)``."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"

    def gap(self, unit: str, digits: int = 1) -> str:
        """Of a difference: ``+6.9 dB (+6.2 to +7.5)``; of shares, in ``points`` of a hundred."""
        of = self.scaled(100) if unit == "points" else self
        return " ".join(f"{of.value:+.{digits}f} {unit} ({of.low:+.{digits}f} to {of.high:+.{digits}f})".split())


NOTHING = Mean(math.nan, math.nan, math.nan, 0)


def mean(values: Sequence[float], groups: Sequence[Hashable] | None = None) -> Mean:
    """The mean of ``values`` (nan is left out), resampled with a fixed seed. Without values all is nan.

    Values of one of ``groups`` depend on each other, and are drawn together.
    """
    return _drawn(lambda sample, of: drawn_means(sample[:, None], of)[:, 0], values, groups)


def median(values: Sequence[float], groups: Sequence[Hashable] | None = None) -> Mean:
    """The median of ``values``, else as :func:`mean`: one value that is far off does not move it."""
    return _drawn(_drawn_medians, values, groups)


def rate(outcomes: Sequence[float]) -> Mean:
    """The share of true outcomes, with Wilson's interval: a bootstrap of equal outcomes would have no width."""
    found = np.asarray(outcomes, bool)
    if found.size == 0:
        return NOTHING
    proportion = binomtest(int(found.sum()), found.size).proportion_ci(LEVEL, "wilson")
    return Mean(float(found.mean()), proportion.low, proportion.high, found.size)


def share_difference(gaps: Sequence[float]) -> Mean:
    """The difference of two shares: 1, 0 or -1 for each pair of outcomes. Its interval (Bonett and Price 2012, J. Educ.
    Behav. Stat. 37, 479) is Wald's after one more disagreement each way, and has a width where all pairs agree.
    """
    if not gaps:
        return NOTHING
    gained, lost, n = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps), len(gaps) + 2
    up, down = (gained + 1) / n, (lost + 1) / n
    reach = norm.ppf((1 + LEVEL) / 2) * math.sqrt((up + down - (up - down) ** 2) / n)
    low, high = max(-1.0, up - down - reach), min(1.0, up - down + reach)
    return Mean((gained - lost) / len(gaps), low, high, len(gaps))


def difference(first: Sequence[float], second: Sequence[float]) -> Mean:
    """The mean of ``first - second``, pair by pair."""
    return mean(np.subtract(first, second, dtype=float).tolist())


def interval(drawn: np.ndarray, n: int, groups: int | None = None) -> Mean:
    """What is first in ``drawn``, of ``n`` values, with the interval of what was drawn again; nan where that is nan."""
    if math.isnan(drawn[0]):
        return NOTHING
    low, high = np.nanquantile(drawn[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Mean(float(drawn[0]), float(low), float(high), n, groups)


def drawn_means(rows: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Column means ``[1 + RESAMPLES, columns]`` of ``rows``: of all of them, and of groups drawn again; ``of`` is each
    row's group, from 0 on."""
    sums, counts = np.stack([np.bincount(of, column) for column in rows.T], axis=1), np.bincount(of)
    picks = _picks(len(counts))
    return sums[picks].sum(axis=1) / counts[picks].sum(axis=1, keepdims=True)


def numbered(groups: Sequence[Hashable]) -> np.ndarray:
    """Each group's number, in order of appearance."""
    number = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    return np.array([number[group] for group in groups], int)


def _drawn(
    draw: Callable[[np.ndarray, np.ndarray], np.ndarray], values: Sequence[float], groups: Sequence[Hashable] | None
) -> Mean:
    """What ``draw`` makes of those ``values`` that are numbers and of each one's group."""
    sample, everyone = np.asarray(values, float), range(len(values)) if groups is None else groups
    of = numbered([group for group, value in zip(everyone, sample, strict=True) if not math.isnan(value)])
    sample = sample[~np.isnan(sample)]
    if not sample.size:
        return NOTHING
    return interval(draw(sample, of), sample.size, None if groups is None else len({*of}))


def _picks(count: int) -> np.ndarray:
    """Numbers of groups: all of them first, then drawn with a fixed seed."""
    return np.vstack([np.arange(count), np.random.default_rng(0).integers(count, size=(RESAMPLES, count))])


def _drawn_medians(sample: np.ndarray, of: np.ndarray) -> np.ndarray:
    """As :func:`drawn_means`: a value is there as often as its group was drawn."""
    groups = len({*of})
    counts = (np.bincount(pick, minlength=groups) for pick in _picks(groups))  # how often each group was drawn
    return np.array([np.median(sample.repeat(times[of])) for times in counts])
