"""Which rows are one edit with one number turned: a strength, a guidance scale, a number of steps; and how far, which
way and how evenly it turns them."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from .comparison import Comparison, Row
from .intervals import Mean, mean, median

BOTH = "lambda and delta"  # turned together
NAMES = {"lam": "lambda"}
FEWEST = 3  # values, below which a curve can go nowhere but one way
STRENGTH = "strength"  # calibrated: records have it beside the parameter that it stands for
CHANGE = "change"  # the metric
EQUAL = 0.05  # of a step, by which equal ones may differ: people round what they write
ENDLESS = 1e6  # stands for infinity, of which there are no quantiles


@dataclass(frozen=True)
class Curve:
    """Rows that differ in only the number ``turned``, by that number. ``name`` is what their labels begin with, or else
    the label of the row at 1, where a dial is at rest, or of the first."""

    name: str
    turned: str
    points: tuple[tuple[float, Row], ...]


def curves(lines: Sequence[Row]) -> list[Curve]:
    """The rows that share everything but one number, where that has at least :data:`FEWEST` values."""
    settings = [(line, *_settings(line)) for line in lines]
    at_rest = {name: 1.0 for _, _, controls, _ in settings for name in controls}
    families: dict[tuple[str, str], dict[float, Row]] = {}
    for line, numbers, controls, rest in settings:
        own = numbers | at_rest | controls
        for name, value in own.items():
            others = json.dumps([own | {name: None}, rest], sort_keys=True)
            families.setdefault((name, others), {}).setdefault(value, line)
    swept = [(name, points) for (name, _), points in families.items() if len(points) >= FEWEST]
    return [Curve(_name(points, name), name, tuple(sorted(points.items()))) for name, points in swept]


@dataclass(frozen=True)
class Turn:
    """A curve, its weakest value first. ``changes`` are ``[samples, values]``, of those that every value has one for;
    ``sessions`` says whose turns they are."""

    curve: Curve
    points: tuple[tuple[float, Row], ...]
    changes: np.ndarray
    sessions: tuple[str, ...]

    @property
    def steps(self) -> int:
        """From one value to the next."""
        return len(self.points) - 1

    @property
    def values(self) -> list[float]:
        """From the weakest to the strongest."""
        return [value for value, _ in self.points]

    @property
    def is_equally_spaced(self) -> bool:
        """So that the largest step between two can be held against the others."""
        gaps = np.diff(self.values)
        return bool(np.allclose(gaps, gaps.mean(), rtol=EQUAL, atol=0))

    def direction(self) -> tuple[Mean, Mean]:
        """The median rank correlation of change with strength, and the share of steps at which change grows."""
        order = range(len(self.points))
        ranks = [float(spearmanr(order, one).statistic) if len({*one}) > 1 else 0.0 for one in self.changes.tolist()]
        right = (np.diff(self.changes, axis=1) > 0).mean(axis=1).tolist()
        return median(ranks, self.sessions), mean(right, self.sessions)

    def evenness(self) -> Mean:
        """The median of the largest step over the range: 1 / :attr:`steps` at best, infinite where ends are alike."""
        largest = np.abs(np.diff(self.changes, axis=1)).max(axis=1)
        reach = np.abs(self.changes[:, -1] - self.changes[:, 0])
        turns = reach * ENDLESS > largest
        found = median(np.where(turns, largest / np.where(turns, reach, 1), ENDLESS).tolist(), self.sessions)
        value, low, high = (math.inf if end > ENDLESS**0.5 else end for end in (found.value, found.low, found.high))
        return replace(found, value=value, low=low, high=high)


def turns(comparison: Comparison) -> list[Turn]:
    """All curves of a comparison: a strength rises, and any other number turns towards the end with more change. One
    whose change was not measured rises."""
    return [_turn(curve, comparison) for curve in curves(comparison.lines)]


def _turn(curve: Curve, comparison: Comparison) -> Turn:
    columns = comparison.named([CHANGE])
    of = [line.numbers(columns[0], comparison.ids) if columns else {} for _, line in curve.points]
    shared = [id for id in comparison.ids if all(id in one for one in of)]
    changes = np.array([[one[id] for one in of] for id in shared]).reshape(len(shared), len(of))
    falls = curve.turned != STRENGTH and len(shared) > 0 and changes[:, -1].mean() < changes[:, 0].mean()
    way = slice(None, None, -1 if falls else 1)
    return Turn(curve, curve.points[way], changes[:, way], tuple(comparison.session[id] for id in shared))


def without_control(line: Row, other: Row) -> bool:
    """Whether ``line`` is what ``other`` would be with its dial at rest."""
    (numbers, controls, rest), (their_numbers, their_controls, their_rest) = _settings(line), _settings(other)
    return bool(their_controls) and not controls and (numbers, rest) == (their_numbers, their_rest)


def _name(points: Mapping[float, Row], turned: str) -> str:
    """Of a curve: whole words that all labels begin with, but for the number's own name."""
    labels = [line.label for line in points.values()]
    alike = takewhile(lambda letters: len({*letters}) == 1, zip(*labels, strict=False))
    if (shared := "".join(first for first, *_ in alike)) not in labels:
        shared = re.sub(r"[^\s,;:|]*$", "", shared)
    shared = shared.strip(" ,;:|").removesuffix(turned).strip(" ,;:|")
    return shared or points.get(1.0, points[min(points)]).label


def _settings(line: Row) -> tuple[dict[str, float], dict[str, float], str]:
    """What determines a row's edits, as resolved from the config, the model's profile and the defaults: numbers by
    name, what its controls are turned to (but for those at rest), and the rest."""
    made = dict(line.made_with)
    made.pop("group", None)  # which rows were computed together is not what was asked
    options = dict(made.pop("options", {}))
    calibrated = options.pop(STRENGTH, None)
    if isinstance(calibrated, Mapping):
        options |= {STRENGTH: calibrated.get(STRENGTH), "turned by it": sorted(calibrated)}
    elif calibrated is not None:  # an option of one's own
        options[STRENGTH] = calibrated
    controls = _controls(options.pop("grag", None)) | _controls(options.pop("dial", None))
    numbers = {name: float(value) for name, value in options.items() if _is_number(value)}
    others = {name: value for name, value in options.items() if name not in numbers}
    rest = json.dumps([made, others, line.run.config.get("seed")], sort_keys=True, default=str)
    return numbers, controls, rest


def _controls(values: Mapping[str, Any] | None) -> dict[str, float]:
    """What is not 1; lambda and delta that are alike as one."""
    numbers = {key: float(value) for key, value in (values or {}).items() if _is_number(value)}
    if len(set(numbers.values())) == 1 and set(numbers) == {"lam", "delta"}:
        numbers = {BOTH: numbers["delta"]}
    kind = (values or {}).get("name", "grag")
    prefix = "" if kind == "grag" else f"{kind} ".replace("_", " ")
    return {prefix + NAMES.get(key, key): value for key, value in numbers.items() if value != 1}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
