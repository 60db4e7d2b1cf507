"""Means and medians with bootstrap confidence intervals, and differences of paired measurements."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

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

    def percent(self) -> str:
        """``83 % (75-90)``."""
        return f"{100 * self.value:.0f} % ({100 * self.low:.0f}-{100 * self.high:.0f})"

    def number(self, digits: int = 1) -> str:
        """``27.3 (26.5-28.1)``."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"

    def gap(self, unit: str, digits: int = 1) -> str:
        """Of a difference: ``+6.9 dB (+6.2 to +7.5)``; of shares, in ``points`` of a hundred."""
        scale = 100 if unit == "points" else 1
        value, low, high = (f"{scale * number:+.{digits}f}" for number in (self.value, self.low, self.high))
        return " ".join(filter(None, (value, unit, f"({low} to {high})")))


def mean(values: Sequence[float], groups: Sequence[Hashable] | None = None) -> Mean:
    """The mean of ``values`` (nan is left out), resampled with a fixed seed. Without values all is nan.

    Values of one of ``groups`` depend on each other, and are drawn together.
    """
    return _resampled(values, groups, np.mean, _means)


def median(values: Sequence[float], groups: Sequence[Hashable] | None = None) -> Mean:
    """The median of ``values``, else as :func:`mean`: one value that is far off does not move it."""
    return _resampled(values, groups, np.median, _medians)


def rate(outcomes: Sequence[bool]) -> Mean:
    """The share of true outcomes, with Wilson's interval: a bootstrap of equal outcomes would have no width."""
    found = np.asarray(outcomes, float)
    if found.size == 0:
        return Mean(np.nan, np.nan, np.nan, 0)
    proportion = binomtest(int(found.sum()), found.size).proportion_ci(LEVEL, "wilson")
    return Mean(float(found.mean()), proportion.low, proportion.high, found.size)


def share_difference(first: Sequence[float], second: Sequence[float]) -> Mean:
    """The difference of two shares, of outcomes that are 1 or 0, pair by pair. Its interval (Bonett and Price 2012, J.
    Educ. Behav. Stat. 37, 479) is Wald's after one more disagreement each way, and has a width where all pairs agree.
    """
    if len(first) == 0:
        return Mean(np.nan, np.nan, np.nan, 0)
    gained, lost = (sum(a > b for a, b in zip(one, other, strict=True)) for one, other in
                    ((first, second), (second, first)))  # fmt: skip
    n = len(first) + 2
    up, down = (gained + 1) / n, (lost + 1) / n
    reach = norm.ppf((1 + LEVEL) / 2) * math.sqrt((up + down - (up - down) ** 2) / n)
    low, high = max(-1.0, up - down - reach), min(1.0, up - down + reach)
    return Mean((gained - lost) / len(first), low, high, len(first))


def difference(first: Sequence[float], second: Sequence[float], groups: Sequence[Hashable] | None = None) -> Mean:
    """The mean of ``first - second``, pair by pair; of ``groups`` as in :func:`mean`."""
    return mean(np.asarray(first, float) - np.asarray(second, float), groups)


def _resampled(values: Sequence[float], groups: Sequence[Hashable] | None, middle: Callable, middles: Callable) -> Mean:
    """The ``middle`` of ``values``, its interval from the ``middles`` of groups drawn again."""
    everyone = range(len(values)) if groups is None else groups
    found = [(group, value) for group, value in zip(everyone, values, strict=True) if not math.isnan(value)]
    if not found:
        return Mean(np.nan, np.nan, np.nan, 0)
    number = {group: index for index, group in enumerate(dict.fromkeys(group for group, _ in found))}
    of, sample = np.array([number[group] for group, _ in found]), np.array([value for _, value in found], float)
    picks = np.random.default_rng(0).integers(len(number), size=(RESAMPLES, len(number)))
    low, high = np.quantile(middles(sample, of, picks), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Mean(float(middle(sample)), float(low), float(high), sample.size, None if groups is None else len(number))


def _means(sample: np.ndarray, of: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """Of the groups that each row of ``picks`` has drawn; ``of`` is each value's group."""
    sums, counts = np.bincount(of, sample), np.bincount(of)
    return sums[picks].sum(axis=1) / counts[picks].sum(axis=1)


def _medians(sample: np.ndarray, of: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """As :func:`_means`: a value is there as often as its group was drawn."""
    order = sample.argsort()
    drawn = np.stack([np.bincount(pick, minlength=picks.shape[1]) for pick in picks])  # [picks, groups]
    ends = drawn[:, of[order]].cumsum(axis=1)  # of each value's repetitions, in order
    count = ends[:, -1:]
    lower, upper = (sample[order][(ends > place).argmax(axis=1)] for place in ((count - 1) // 2, count // 2))
    return (lower + upper) / 2
