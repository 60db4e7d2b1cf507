"""From what a person asked for to a ready method: names, options, and what suits the model."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..guidance.grag import GRAG
from ..options import option_names
from . import CONTROL, METHODS, method
from .base import Method


def check_selection(named: str | Method | type[Method], strength: GRAG | None, options: Mapping[str, Any]) -> Method:
    """The method as far as it is known without a model: says what is wrong with the options before minutes are spent on
    loading one."""
    made = method(named, **options)
    if strength is not None and not made.takes_control:
        controlled = [name for name in METHODS if METHODS[name].takes_control]
        name = named if isinstance(named, str) else type(made).__name__
        raise InputError(f"{name} has no strength to turn with grag; these have: {', '.join(controlled)}.")
    if strength is not None and any(options.get(option) is not None for option in CONTROL):
        raise InputError("grag, or a sweep of it, and dial turn the same thing; give one of them.")
    return made


def resolve_method(
    named: str | Method | type[Method], flow: ImageFlow, strength: GRAG | None, options: Mapping[str, Any]
) -> Method:
    """The method with the given options, then what the model's profile recommends, then the method's defaults."""
    if isinstance(named, Method):
        return named if strength is None else replace(named, control=strength)
    kind = METHODS.class_of(named, Method)
    name = METHODS.name_of(kind)
    suited = flow.profile.for_method(name, {*option_names(kind), *CONTROL})
    if strength is not None:
        suited["grag"] = strength
    return method(kind, **{**suited, **options})
