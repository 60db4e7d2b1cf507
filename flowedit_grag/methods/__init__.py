"""Editing methods by name. A method is one file here and one line in this table, or a file of your own."""

from typing import Any

from ..errors import InputError
from ..options import option_names
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
    return METHODS.make(name, options, Method)


__all__ = ["METHODS", "Method", "Progress", "list_methods", "method", "option_names"]
