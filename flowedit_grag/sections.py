"""From the mappings of a YAML file to frozen dataclasses; nothing unknown is let through."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from .errors import InputError, unknown
from .registry import Registry

Section = TypeVar("Section")


def section(kind: type[Section], values: Any, where: str) -> Section:
    """``kind(**values)``. Raises :class:`InputError`, naming ``where``, for keys that are unknown or missing."""
    check_keys(values, [f.name for f in fields(kind)], where)  # type: ignore[arg-type]
    for f in fields(kind):  # type: ignore[arg-type]
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise InputError(f"{where} does not say {f.name!r}.")
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def chosen(registry: Registry, key: str, values: Any, where: str) -> Any:
    """The section whose kind ``values[key]`` names in the ``registry``, made of all ``values``."""
    if not isinstance(values, Mapping) or key not in values:
        raise InputError(f"{where} does not say {key!r}, one of: {', '.join(registry)}.")
    return section(registry[values[key]], values, where)


def check_keys(values: Any, known: Iterable[str], where: str) -> None:
    """Raise :class:`InputError` unless ``values`` is a mapping whose keys are all ``known``."""
    if not isinstance(values, Mapping):
        raise InputError(f"{where} must be made of 'key: value' lines, not {values!r}.")
    for key in values:
        if key not in known:
            raise unknown(f"key of {where}", key, known)


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``{"adapter": {"rank": 8}}`` as ``("adapter.rank", 8)``, tuples as lists."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value
