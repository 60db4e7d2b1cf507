"""Means with bootstrap confidence intervals, and differences of paired measurements."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

RESAMPLES = 2_000
LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean of ``n`` values and its 95 % interval: percentile bootstrap, or Wilson's for a :func:`rate`."""

    value: float
    low: float
    high: float
    n: int

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
        return f"{value} {unit} ({low} to {high})"


def mean(values: Sequence[float]) -> Mean:
    """The mean of ``values`` (nan is left out), resampled with a fixed seed. Without values all is nan."""
    sample = np.asarray(values, float)
    sample = sample[~np.isnan(sample)]
    if sample.size == 0:
        return Mean(np.nan, np.nan, np.nan, 0)
    picks = np.random.default_rng(0).integers(sample.size, size=(RESAMPLES, sample.size))
    low, high = np.quantile(sample[picks].mean(axis=1), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Mean(float(sample.mean()), float(low), float(high), sample.size)


def rate(outcomes: Sequence[bool]) -> Mean:
    """The share of true outcomes, with Wilson's interval: a bootstrap of equal outcomes would have no width."""
    found = np.asarray(outcomes, float)
    if found.size == 0:
        return Mean(np.nan, np.nan, np.nan, 0)
    proportion = binomtest(int(found.sum()), found.size).proportion_ci(LEVEL, "wilson")
    return Mean(float(found.mean()), proportion.low, proportion.high, found.size)


def difference(first: Sequence[float], second: Sequence[float]) -> Mean:
    """The mean of ``first - second``, pair by pair."""
    return mean(np.asarray(first, float) - np.asarray(second, float))
