"""From what a person asked for to a ready method: names, options, and what suits the model."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..backbone.flow import Flow
from ..errors import InputError
from ..guidance.grag import GRAG
from . import METHODS, method, option_names
from .base import Method


def check_selection(named, strength: GRAG | None, options: Mapping[str, Any]) -> None:
    """Say what is wrong with the options before minutes are spent on loading a model."""
    made = method(named, **options)
    kind = type(made)
    if strength is None:
        return
    if "grag" not in option_names(kind):
        dials = [name for name in METHODS if "grag" in option_names(METHODS[name])]
        name = named if isinstance(named, str) else kind.__name__
        raise InputError(f"{name} has no strength to turn with grag; these have: {', '.join(dials)}.")
    replace(made, grag=strength)  # type: ignore[call-arg]  # complains of what does not go with it


def default_model(named, options: Mapping[str, Any]) -> dict[str, str]:
    """What :func:`load` takes for the embedded model that a method works with, and for its adapter if it needs one."""
    if method(named, **options).fills:
        return {"model": "lab-fill", "adapter": "lab-moe"}
    return {"model": "lab"}


def resolve_method(named, flow: Flow, strength: GRAG | None, options: Mapping[str, Any]) -> Method:
    """The method with the given options, then what the model's profile recommends, then the method's defaults."""
    if isinstance(named, Method):
        return named if strength is None else replace(named, grag=strength)  # type: ignore[call-arg]
    kind = METHODS[named] if isinstance(named, str) else named
    name = next((name for name in METHODS if METHODS[name] is kind), str(named))
    suited = flow.profile.for_method(name, set(option_names(kind)))
    if strength is not None:
        suited["grag"] = strength
    return method(kind, **{**suited, **options})
