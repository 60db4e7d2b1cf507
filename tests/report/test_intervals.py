"""Means, medians and shares with their intervals, against what is known of them."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from flowedit_grag.report.intervals import difference, mean, median, rate, share_difference


def test_intervals_hold_the_mean_and_shrink():
    values = np.random.default_rng(0).normal(3.0, 1.0, 400)
    few, many = mean(values[:25]), mean(values)
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert many.high - many.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)
    assert mean([1.0, np.nan]).n == 1
    assert np.isnan(mean([]).value)
    again = np.repeat(values[:25], 4)  # what depends on each other says no more than one of it
    grouped = mean(again, [*np.repeat(range(25), 4)])
    assert (grouped.low, grouped.high) == pytest.approx((few.low, few.high))
    assert (grouped.n, grouped.groups, grouped.is_enough) == (100, 25, True)
    assert not mean([1.0, -1.0] * 10, ["one session"] * 20).is_enough
    assert mean(again).high - mean(again).low < 0.7 * (few.high - few.low)
    paired = difference(values + 0.5, values)
    assert paired.low == pytest.approx(0.5) == paired.high


def test_medians_are_not_carried_away():
    values = np.random.default_rng(0).normal(5, 1, 41)
    held_up = np.append(values[:-1], 1000.0)
    of, far = median(values), median(held_up)
    assert of.value == np.median(values)
    assert max(abs(of.value - far.value), abs(of.low - far.low), abs(of.high - far.high)) < 0.3
    asked = bootstrap((values,), np.median, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    assert (of.low, of.high) == pytest.approx(tuple(asked), abs=0.05)
    turns = median(np.repeat(values, 3), [*np.repeat(range(41), 3)])
    assert (turns.value, turns.low, turns.high, turns.groups) == (of.value, of.low, of.high, 41)
    assert median([1.0, 2.0, 4.0, 8.0]).value == 3.0
    assert median([]).n == 0


def test_rates_that_are_all_right_are_not_certain():
    sure = rate([True] * 30)  # Wilson's interval, by hand: z² / (n + z²) below 1
    assert (sure.value, sure.high, sure.n) == (1.0, 1.0, 30)
    assert sure.low == pytest.approx(1 - 1.96**2 / (30 + 1.96**2), abs=1e-4)
    assert rate([True, False]).percent() == "50 % (9-91)"
    assert np.isnan(rate([]).value)


def test_differences_of_shares():
    same = share_difference([0.0] * 38)  # by hand: 1/40 each way, and no difference
    assert (same.value, same.n) == (0.0, 38)
    assert (same.low, same.high) == pytest.approx((-1.96 * (0.05 / 40) ** 0.5, 1.96 * (0.05 / 40) ** 0.5), abs=1e-4)
    better = share_difference([1.0] * 10 + [0.0] * 28)
    assert better.value == pytest.approx(10 / 38)
    assert (better.low + better.high) / 2 == pytest.approx(10 / 40)
    assert better.low == pytest.approx(0.25 - 1.96 * ((0.3 - 0.25**2) / 40) ** 0.5, abs=1e-4)
    assert np.isnan(share_difference([]).value)
