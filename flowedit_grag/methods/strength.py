"""Strength in [0, 1], the same for every method: which of its numbers that turns, and over which range."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError, first_line
from ..guidance.grag import GRAG
from ..options import check_options, finite, make, option_names

AUTO = "auto"  # a calibration that is measured on the picture at hand
DELTA = "delta"  # GRAG's, which is no option of a method
Turned = TypeVar("Turned")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the strength of a method turns, and to what.

    Attributes:
        option: a number among the method's options, or ``delta`` of its GRAG.
        values: of the option at equally spaced strengths: first the weakest whole picture's, last the strongest's.
            Straight lines join them.
        model, method: what it was measured on; nothing where it was not measured.

    Raises :class:`InputError` for values that do not all rise or all fall.
    """

    option: str
    values: tuple[float, ...]
    model: str = ""
    method: str = ""

    def __post_init__(self):
        check_options(self)
        steps = [b - a for a, b in pairwise(self.values)]
        if not steps or not (all(step > 0 for step in steps) or all(step < 0 for step in steps)):
            raise InputError(f"the values of a calibration rise, or fall, from each to the next, not {self.values}.")

    @classmethod
    def of(cls, value: Any) -> "Calibration":
        """A calibration as it is, its fields, or the JSON that ``flowedit-grag calibrate`` wrote."""
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return make(cls, value, "a calibration")
        try:
            path = Path(value)
            if path.exists() and not path.is_file():
                raise OSError("it is no file")  # a device may never end
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            return make(cls, {f.name: found[f.name] for f in fields(cls) if f.name in found}, "a calibration")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{value!r} is no calibration ({first_line(error)}); make one with `flowedit-grag calibrate`."
            ) from None

    def value(self, strength: float) -> float:
        """The option's value at ``strength``."""
        return float(np.interp(strength, np.linspace(0, 1, len(self.values)), self.values))

    def turn(self, method: Turned, strength: float) -> Turned:
        """``method`` at ``strength``."""
        return turned_to(method, self.option, self.value(strength))

    def reached_by(self, method: Any) -> float | None:
        """What ``method`` has the option at; ``None`` where it is turned by another control, or by none."""
        control = getattr(method, "control", None)
        if self.option != DELTA:
            return float(getattr(method, self.option))
        return control.delta if isinstance(control, GRAG) else None


def turned_to(method: Turned, option: str, value: float) -> Turned:
    """``method`` with ``option`` at ``value``, a whole one where it counts something."""
    given: dict[str, Any] = {option: round(value) if isinstance(getattr(method, option, None), int) else value}
    if option == DELTA:
        own = getattr(method, "control", None)
        if not isinstance(own, GRAG | None):
            raise InputError(
                f"strength turns GRAG's delta here, and {type(own).__name__} is in its place; give one of them."
            )
        given = {"control": GRAG(own.lam if isinstance(own, GRAG) else 1.0, value)}
    return replace(method, **given)  # type: ignore[type-var]


PUBLISHED = Calibration(option=DELTA, values=(1.15, 0.95))  # the range of GRAG's Table 2 (arXiv:2510.24657)


def calibration_of(kind: Any, name: str, model: str, measured: Mapping[str, Any], asked: Any = None) -> Calibration:
    """How the strength of the method class ``kind``, called ``name``, is turned: as ``asked``, or as ``measured`` for
    the model, or over the published range. Raises :class:`InputError` where nothing is, and for another model's."""
    if asked is not None:
        found = Calibration.of(asked)
        for what, own, given in (("model", found.model, model), ("method", found.method, name)):
            if own and given and own != given and not (os.path.exists(own) and os.path.samefile(own, given)):
                raise InputError(f"this calibration is of the {what} {own}, not of {given}; calibrate that.")
        return _fitting(found, kind, name)
    if name in measured:
        of = {key: measured[name].get(key) for key in ("option", "values")}
        return _fitting(Calibration(**of, model=model, method=name), kind, name)
    return published(kind, name)


def published(kind: Any, name: str) -> Calibration:
    """What the strength of ``kind`` turns where nothing was measured. Raises :class:`InputError` for a method without
    such a number."""
    found = getattr(kind, "turned", PUBLISHED if kind.takes_control else None)
    if found is None:
        raise InputError(f"{name} has nothing that a strength could turn; stableflow+, flowslider and sdedit have.")
    return found


def _fitting(found: Calibration, kind: Any, name: str) -> Calibration:
    is_number = finite(getattr(kind, found.option, None)) is not None and found.option in option_names(kind)
    if not is_number and not (found.option == DELTA and kind.takes_control):
        raise InputError(f"this calibration turns {found.option}, which {name} does not have; calibrate {name}.")
    return found


def check_strength(strength: Any) -> float:
    """``strength`` as a float. Raises :class:`InputError` outside [0, 1]."""
    number = finite(strength.item() if getattr(strength, "size", 0) == 1 else strength)
    if number is None or not 0 <= number <= 1:
        raise InputError(f"strength must be from 0 (the weakest edit) to 1 (the strongest), not {strength!r}.")
    return number


def strengths(asked: int | Sequence[float]) -> list[float]:
    """``asked``, or as many equally spaced ones from 0 to 1. Raises :class:`InputError` for fewer than two."""
    if isinstance(asked, Integral) and not isinstance(asked, bool):
        found = [index / max(1, int(asked) - 1) for index in range(int(asked))]
    elif isinstance(asked, str) or not np.iterable(asked):
        raise InputError(f"a sweep takes strengths, such as [0, 0.5, 1], or how many, such as 5, not {asked!r}.")
    else:
        found = [check_strength(one) for one in asked]
    if len(found) < 2:
        raise InputError("a sweep of one strength is an edit; ask for two or more.")
    return found
