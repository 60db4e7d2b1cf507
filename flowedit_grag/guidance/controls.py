"""Controls by name, and what people write for them.

A control is one file here and one line in the table, or a file of your own: ``{"name": "my_file:Mine", ...}``.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..errors import InputError
from ..registry import Registry
from .control import Control
from .grag import GRAG

CONTROLS = Registry(
    "dial",
    __package__,
    {
        "grag": "grag:GRAG",
        "attention_weight": "attention_weight:AttentionWeight",
        "attention_gate": "attention_gate:AttentionGate",
    },
)


def control(grag: Any = None, dial: Any = None) -> Control | None:
    """The control that ``grag`` (see :meth:`GRAG.of`) or ``dial`` asks for: a control, or a name with its numbers, as
    in ``{"name": "attention_weight", "gamma": 7}``. Raises :class:`InputError` for both, and for anything else."""
    if grag is not None and dial is not None:
        raise InputError("grag, or a sweep of it, and dial turn the same thing; give one of them.")
    if grag is not None:
        return GRAG.of(grag)
    if dial is None or isinstance(dial, Control):
        return dial
    numbers = {"name": dial} if isinstance(dial, str) else dial
    if not isinstance(numbers, Mapping) or "name" not in numbers:
        raise InputError(f"a dial is a name with its numbers, as name=attention_weight and gamma=7, not {dial!r}.")
    return CONTROLS.make(numbers["name"], {key: numbers[key] for key in numbers if key != "name"}, Control)  # type: ignore[type-abstract]


def written(control: Control | None) -> dict[str, Any]:
    """What people write for a control: ``grag``, or ``dial`` with its name, as plain types."""
    if control is None or isinstance(control, GRAG):
        return {"grag": None if control is None else asdict(control), "dial": None}
    return {"grag": None, "dial": {"name": CONTROLS.name_of(type(control)), **asdict(control)}}
