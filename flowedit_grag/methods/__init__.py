"""Editing methods by name. A method is one file here and one line in this table, or a file of your own."""

from typing import Any

from ..errors import InputError
from ..guidance.controls import control, written
from ..options import option_names
from ..registry import Registry
from .base import Method

METHODS = Registry(
    "method",
    __name__,
    {
        "flowedit": "flowedit:FlowEdit",
        "flowslider": "flowslider:FlowSlider",
        "flowalign": "flowalign:FlowAlign",
        "stableflow": "stableflow:StableFlow",
        "stableflow+": "stableflow_plus:StableFlowPlus",
        "rf-solver-edit": "rf_solver_edit:RFSolverEdit",
        "direct-edit": "direct_edit:DirectEdit",
        "icedit": "icedit:ICEdit",
        "icedit-t2i": "icedit_t2i:ICEditT2I",
        "sdedit": "sdedit:SDEdit",
        "reconstruct": "reconstruct:Reconstruct",
    },
)
CONTROL = ("grag", "dial")  # what people write for the option ``control``


def list_methods() -> tuple[str, ...]:
    """Names of the methods that come with the package."""
    return tuple(METHODS)


def method(name: str | Method | type[Method], /, **options: Any) -> Method:
    """The method called ``name`` (or ``"module:Class"``, or a class) with ``options``.

    ``grag`` and ``dial`` are what people write for ``control``. Raises :class:`InputError` for an unknown method, an
    unknown or missing option, or a value that makes no sense.

    >>> method("flowedit", steps=4, n_max=3, grag=1.05).control
    GRAG(lam=1.0, delta=1.05)
    """
    if isinstance(name, Method):
        if options:
            raise InputError("a ready method takes no further options; give them when it is made.")
        return name
    if METHODS.class_of(name, Method).takes_control and any(option in options for option in CONTROL):
        given = {option: options.pop(option, None) for option in CONTROL}
        options["control"] = control(**given)
    return METHODS.make(name, options, Method)


def written_options(method: Method) -> dict[str, Any]:
    """A method's options as people write them: ``grag`` and ``dial`` in place of ``control``, where it has one."""
    options = {name: getattr(method, name) for name in option_names(type(method)) if name != "control"}
    return {**options, **written(method.control)} if method.takes_control else options


__all__ = ["METHODS", "Method", "list_methods", "method", "written_options"]
