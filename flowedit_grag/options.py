"""Options: the fields of frozen dataclasses, made from what people write and checked against their declared types."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import InputError, unknown

Made = TypeVar("Made")


def option_names(kind: type) -> tuple[str, ...]:
    """What can be given to the dataclass ``kind``."""
    return tuple(f.name for f in fields(kind) if f.init)


def make(kind: type[Made], values: Any, what: str) -> Made:
    """``kind(**values)``. Raises :class:`InputError`, naming ``what`` is made, for options unknown or missing, or
    that are called otherwise now (the class' ``renamed``)."""
    if not isinstance(values, Mapping):
        raise InputError(f"{what} must be made of 'key: value' lines, not {values!r}.")
    if not is_dataclass(kind):
        raise InputError(f"{what} cannot be made of options; it must be a dataclass.")
    known, renamed = option_names(kind), getattr(kind, "renamed", {})
    for name in values:
        if name in renamed:
            raise InputError(f"the option {name!r} of {what} is called {renamed[name]!r} now.")
        if name not in known:
            raise unknown(f"option of {what}", name, known)
    for f in fields(kind):
        if f.init and f.name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise InputError(f"{what} needs the option {f.name!r}.")
    return kind(**values)


def check_options(made: Any) -> None:
    """Bring a frozen dataclass' fields into their declared types. Raises :class:`InputError` naming the option.

    Numbers are finite and not negative; ``Literal`` fields take one of their values; ``tuple[int, ...]`` takes any
    sequence of whole numbers, or the path of a JSON that has the field. A field whose type has a class method ``of``
    takes whatever that takes.
    """
    hints = get_type_hints(type(made))
    for f in fields(made):
        object.__setattr__(made, f.name, _checked(f.name, getattr(made, f.name), hints[f.name]))


def _checked(name: str, value: Any, hint: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value  # numpy's and torch's numbers
    if get_origin(hint) in (Union, UnionType):
        kinds = get_args(hint)
        if value is None and type(None) in kinds:
            return None
        hint = next(kind for kind in kinds if kind is not type(None))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise unknown(f"value of {name}", value, map(str, get_args(hint)))
        return value
    if hasattr(hint, "of"):
        return hint.of(value)
    if hint is bool or hint is str:
        return _typed(name, value, hint)
    if hint in (int, float):
        return _number(name, value, hint)
    if get_origin(hint) is tuple:
        kind = get_args(hint)[0]
        if isinstance(value, str | Path) and kind is not str:
            value = _from_file(name, Path(value))
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        return tuple(_checked(name, item, kind) for item in items)
    return value


def _from_file(name: str, path: Path) -> Sequence[int]:
    """What the JSON that ``flowedit-grag vital-layers`` wrote has under ``name``."""
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no file")  # a device may never end
        return json.loads(path.read_text())[name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
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
    if (number := finite(value)) is None or number < 0:
        raise InputError(f"{name} must be finite and not negative, not {value!r}.")
    if kind is int and number >= 2**63:
        raise InputError(f"{name} must be a number that a machine's integers hold, not {value!r}.")
    return kind(value)


def finite(value: Any) -> float | None:
    """``value`` as a float; ``None`` for what is no number, or no finite one."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:  # whole numbers have no end in Python
        return None
    return number if math.isfinite(number) else None


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``{"adapter": {"rank": 8}}`` as ``("adapter.rank", 8)``, tuples as lists."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value
