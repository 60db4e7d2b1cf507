"""Editing methods by name. A method is one file here and one line in this table, or a file of your own."""

from dataclasses import MISSING, fields
from typing import Any

from ..errors import InputError, unknown
from ..progress import Progress
from ..registry import Registry
from .base import Method

METHODS = Registry(
    "method",
    __name__,
    {
        "flowedit": "flowedit:FlowEdit",
        "stableflow": "stableflow:StableFlow",
        "stableflow+": "stableflow:StableFlowPlus",
        "rf-solver-edit": "rf_solver_edit:RFSolverEdit",
        "icedit": "icedit:ICEdit",
        "icedit-t2i": "icedit_t2i:ICEditT2I",
        "sdedit": "sdedit:SDEdit",
        "reconstruct": "reconstruct:Reconstruct",
    },
)


def list_methods() -> tuple[str, ...]:
    """Names of the methods that come with the package."""
    return tuple(METHODS)


def method(name: str | Method | type[Method], **options: Any) -> Method:
    """The method called ``name`` (or ``"module:Class"``, or a class) with ``options``.

    Raises :class:`InputError` for an unknown method, an unknown or missing option, or a value that makes no sense.
    """
    if isinstance(name, Method):
        if options:
            raise InputError("a ready method takes no further options; give them when it is made.")
        return name
    kind = name if isinstance(name, type) else METHODS[name]
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise InputError(f"{name!r} is not a method; it must be a class derived from flowedit_grag.methods.Method.")
    known = option_names(kind)
    for option in options:
        if option not in known:
            raise unknown(f"option of {name}", option, known)
    for f in fields(kind):
        if f.init and f.name not in options and f.default is MISSING and f.default_factory is MISSING:
            raise InputError(f"the method {name!r} needs the option {f.name!r}.")
    return kind(**options)


def option_names(kind: type[Method]) -> tuple[str, ...]:
    """What can be given to :func:`method` for a method of this class."""
    return tuple(f.name for f in fields(kind) if f.init)


__all__ = ["METHODS", "Method", "Progress", "list_methods", "method", "option_names"]
