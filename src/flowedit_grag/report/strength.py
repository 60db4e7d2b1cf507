"""Which rows are one edit at several strengths."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .studies import Line


@dataclass(frozen=True)
class Curve:
    """Rows that differ in nothing but delta, by delta."""

    name: str
    points: tuple[tuple[float, Line], ...]


def curves(lines: Sequence[Line]) -> list[Curve]:
    """The rows that share everything but delta, where there are at least two strengths. Without GRAG, delta is 1."""
    families: dict[str, dict[float, Line]] = {}
    for line in lines:
        families.setdefault(_rest(line), {}).setdefault(_grag(line)["delta"], line)
    swept = [sorted(points.items()) for points in families.values() if len(points) > 1]
    methods = [points[0][1].settings["method"] for points in swept]
    return [Curve(_name(points, methods), tuple(points)) for points in swept]


def without_grag(line: Line, other: Line) -> bool:
    """Whether ``line`` is what ``other`` would be without GRAG."""
    off = {"lam": 1.0, "delta": 1.0}
    return _grag(line) == off != _grag(other) and _rest(line, lam=False) == _rest(other, lam=False)


def _grag(line: Line) -> Mapping[str, float]:
    return line.settings.get("grag") or {"lam": 1.0, "delta": 1.0}


def _rest(line: Line, lam: bool = True) -> str:
    """All that determines a row's edits but delta, and ``lam`` unless that counts."""
    run: Mapping[str, Any] = line.run.config
    own = {key: value for key, value in line.settings.items() if key != "grag"}
    shared = {key: run.get(key) for key in ("seed", "loading", "model", "adapter")}
    return json.dumps([{**shared, **own}, _grag(line)["lam"] if lam else None], sort_keys=True, default=str)


def _name(points: Sequence[tuple[float, Line]], methods: Sequence[str]) -> str:
    """The method, if that says which; else the row without GRAG, or the weakest."""
    line = dict(points).get(1.0, points[0][1])
    method = line.settings["method"]
    return method if methods.count(method) == 1 else line.label
