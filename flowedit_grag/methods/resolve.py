"""From what a person asked for to a ready method: names, options, and what suits the model."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..guidance.grag import GRAG
from ..options import finite, option_names
from . import CONTROL, METHODS, method
from .base import Method
from .strength import AUTO, DELTA, Calibration, calibration_of, check_strength

STRENGTH = ("strength", "calibrate")  # beside the options of a method


def check_selection(named: str | Method | type[Method], grag: GRAG | None, options: Mapping[str, Any]) -> Method:
    """The method as far as it is known without a model: says what is wrong with the options before minutes are spent on
    loading one."""
    strength, calibrate, own = _parted(options)
    made = method(named, **own) if isinstance(named, Method) else _made(named, {}, own)
    if grag is not None and not made.takes_control:
        controlled = [name for name in METHODS if METHODS[name].takes_control]
        raise InputError(f"{_name(named, made)} has no keys to turn with grag; these have: {', '.join(controlled)}.")
    if grag is not None and any(own.get(option) is not None for option in CONTROL):
        raise InputError("grag, or a sweep of it, and dial turn the same thing; give one of them.")
    if strength is None and calibrate is not None:
        raise InputError("calibrate says what a strength turns; give a strength too.")
    if strength is not None:
        check_strength(strength)
        if isinstance(calibrate, str) and calibrate == AUTO:
            raise InputError("calibrate='auto' measures on a picture; give it to edit() or sweep(), with the strength.")
        turned = calibration_of(type(made), _name(named, made), "", {}, calibrate).option
        if (grag is not None and turned == DELTA) or own.get(turned) is not None or any(own.get(o) for o in CONTROL):
            other = "grag" if turned == DELTA else turned
            raise InputError(f"strength turns {turned} here; give strength or {other}, not both.")
    return made


def resolve_method(
    named: str | Method | type[Method], flow: ImageFlow, grag: GRAG | None, options: Mapping[str, Any]
) -> Method:
    """The method with the given options, then what the model's profile recommends, then the method's defaults; at the
    ``strength`` among the options, where there is one."""
    strength, calibrate, own = _parted(options)
    if isinstance(named, Method):
        made = named if grag is None else replace(named, control=grag)
    else:
        kind = METHODS.class_of(named, Method)
        suited = flow.profile.for_method(METHODS.name_of(kind), {*option_names(kind), *CONTROL})
        made = _made(named, suited if grag is None else {**suited, "grag": grag}, own)
    return made if strength is None else turned_by(made, flow, calibrate).turn(made, check_strength(strength))


def _made(named: str | type[Method], suited: Mapping[str, Any], own: Mapping[str, Any]) -> Method:
    """The method with what was given, then what suits the model; ``n_max`` keeps its share of ``steps`` where only
    these were given."""
    kind, options = METHODS.class_of(named, Method), {**suited, **own}
    asked = finite(own.get("steps"))
    if "n_max" in option_names(kind) and "n_max" not in own and asked:
        n_max, steps = (finite(suited.get(name, getattr(kind, name, None))) for name in ("n_max", "steps"))
        if n_max and steps:
            options["n_max"] = round(n_max * asked / steps)
    return method(named, **options)


def turned_by(made: Method, flow: ImageFlow, asked: Any = None) -> Calibration:
    """What a strength turns of the method on the model: as ``asked``, or as the model's profile has it, or over the
    published range. Raises :class:`InputError` where nothing is."""
    return calibration_of(type(made), METHODS.name_of(type(made)), flow.name, flow.profile.strengths, asked)


def _parted(options: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    own = {name: value for name, value in options.items() if name not in STRENGTH}
    return options.get("strength"), options.get("calibrate"), own


def _name(named: str | Method | type[Method], made: Method) -> str:
    return named if isinstance(named, str) else type(made).__name__
