"""Which rows are one edit with one number turned: a strength, a guidance scale, a number of steps."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .comparison import Row

CONTROLS = ("grag", "dial")  # options of a method, whose numbers change nothing at 1
BOTH = "lambda and delta"  # turned together
NAMES = {"lam": "lambda"}
FEWEST = 3  # values, below which a curve can go nowhere but one way


@dataclass(frozen=True)
class Curve:
    """Rows that differ in nothing but the number ``turned``, by that number."""

    name: str
    turned: str
    points: tuple[tuple[float, Row], ...]


@dataclass(frozen=True)
class Settings:
    """What determines a row's edits: ``numbers`` by name, what its ``controls`` are turned to (1 where they are not
    named), and the ``rest``."""

    numbers: Mapping[str, float]
    controls: Mapping[str, float]
    rest: str

    @classmethod
    def of(cls, line: Row) -> "Settings":
        """As resolved from the config, the model's profile and the defaults."""
        made = dict(line.made_with)
        options = dict(made.pop("options", {}))
        controls = _controls(options.pop("grag", None)) | _controls(options.pop("dial", None))
        numbers = {name: float(value) for name, value in options.items() if _is_number(value)}
        others = {name: value for name, value in options.items() if name not in numbers}
        seed = line.run.config.get("seed")
        return cls(numbers, controls, json.dumps([made, others, seed], sort_keys=True, default=str))

    def places(self, known: Sequence[str]) -> Iterator[tuple[str, float, str]]:
        """For every number that may be turned, those of ``known`` controls among them: its name, its value, and what
        else there is."""
        for name, value in self.numbers.items():
            yield name, value, self._without(name)
        for name in known:
            yield name, self.controls.get(name, 1.0), self._without(name)

    def _without(self, name: str) -> str:
        kept = [{key: value for key, value in of.items() if key != name} for of in (self.numbers, self.controls)]
        return json.dumps([*kept, self.rest], sort_keys=True)


def curves(lines: Sequence[Row]) -> list[Curve]:
    """The rows that share everything but one number, where that has at least :data:`FEWEST` values."""
    settings = {line: Settings.of(line) for line in lines}
    known = list(dict.fromkeys(name for own in settings.values() for name in own.controls))
    families: dict[tuple[str, str], dict[float, Row]] = {}
    for line, own in settings.items():
        for name, value, others in own.places(known):
            families.setdefault((name, others), {}).setdefault(value, line)
    swept = [(name, sorted(points.items())) for (name, _), points in families.items() if len(points) >= FEWEST]
    return [Curve(_name(points), name, tuple(points)) for name, points in swept]


def without_control(line: Row, other: Row) -> bool:
    """Whether ``line`` is what ``other`` would be with its dial at rest."""
    own, theirs = Settings.of(line), Settings.of(other)
    return not own.controls and bool(theirs.controls) and (own.numbers, own.rest) == (theirs.numbers, theirs.rest)


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


def _name(points: Sequence[tuple[float, Row]]) -> str:
    """The row with the dial at rest, or else the first."""
    return dict(points).get(1.0, points[0][1]).label
