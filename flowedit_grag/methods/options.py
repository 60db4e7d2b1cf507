"""Checks of options against the types that their fields declare."""

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import InputError, unknown
from ..guidance.control import Control, control
from ..guidance.grag import GRAG
from ..inversion.solvers import Solver, solver


def check_options(method: Any) -> None:
    """Bring a frozen dataclass' fields into their declared types. Raises :class:`InputError` naming the option.

    Numbers are finite and not negative; ``Literal`` fields take one of their values; ``tuple[int, ...]`` takes any
    sequence of whole numbers, or the path of a JSON that has the field; a ``GRAG`` whatever :meth:`GRAG.of` takes; a
    ``Control`` its name with its numbers; a ``Solver`` its name.
    """
    hints = get_type_hints(type(method))
    for f in fields(method):
        object.__setattr__(method, f.name, _checked(f.name, getattr(method, f.name), hints[f.name]))


def _checked(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        kinds = get_args(hint)
        if value is None and type(None) in kinds:
            return None
        hint = next(kind for kind in kinds if kind is not type(None))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise unknown(f"value of {name}", value, map(str, get_args(hint)))
        return value
    if hint is GRAG:
        return GRAG.of(value)
    if hint is Control:
        return control(value)
    if hint is Solver:
        return solver(value)
    if hint is bool or hint is str:
        return _typed(name, value, hint)
    if hint in (int, float):
        return _number(name, value, hint)
    if get_origin(hint) is tuple:
        if isinstance(value, str | Path):
            value = _from_file(name, Path(value))
        items = value if isinstance(value, Sequence) else [value]
        return tuple(_number(name, item, get_args(hint)[0]) for item in items)
    return value


def _from_file(name: str, path: Path) -> Sequence[int]:
    """What the JSON that ``flowedit-grag vital-layers`` wrote has under ``name``."""
    try:
        return json.loads(path.read_text())[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{name} cannot be read from {str(path)!r}: {error}; give numbers or a JSON that has it."
        ) from None


def _typed(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise InputError(f"{name} must be of type {kind.__name__}, not {value!r}.")
    return value


def _number(name: str, value: Any, kind: type) -> int | float:
    whole = isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not isinstance(value, Real) or (kind is int and not whole):
        raise InputError(f"{name} must be a {'whole ' if kind is int else ''}number, not {value!r}.")
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{name} must be finite and not negative, not {value!r}.")
    return kind(value)
