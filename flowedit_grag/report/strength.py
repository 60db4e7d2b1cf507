"""Which rows are one edit with one number turned: a strength, a guidance scale, a number of steps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .comparison import Row

BOTH = "lambda and delta"  # turned together
NAMES = {"lam": "lambda"}
FEWEST = 3  # values, below which a curve can go nowhere but one way


@dataclass(frozen=True)
class Curve:
    """Rows that differ in only the number ``turned``, by that number. ``name`` is the label of the row at 1, where
    a dial is at rest, or else of the first."""

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
    return [
        Curve(points.get(1.0, points[min(points)]).label, name, tuple(sorted(points.items()))) for name, points in swept
    ]


def without_control(line: Row, other: Row) -> bool:
    """Whether ``line`` is what ``other`` would be with its dial at rest."""
    (numbers, controls, rest), (their_numbers, their_controls, their_rest) = _settings(line), _settings(other)
    return bool(their_controls) and not controls and (numbers, rest) == (their_numbers, their_rest)


def _settings(line: Row) -> tuple[dict[str, float], dict[str, float], str]:
    """What determines a row's edits, as resolved from the config, the model's profile and the defaults: numbers by
    name, what its controls are turned to (but for those at rest), and the rest."""
    made = dict(line.made_with)
    options = dict(made.pop("options", {}))
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
