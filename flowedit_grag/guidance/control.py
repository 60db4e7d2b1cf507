"""Dials: numbers that turn the strength of an edit by how attention sees the tokens through which the source enters.

A dial is one file here and one line in the table, or a file of your own: ``dial={"name": "my_file:MyDial", ...}``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..registry import Registry
from ..sections import section

DIALS = Registry(
    "dial",
    __package__,
    {
        "grag": "grag:GRAG",
        "attention_weight": "attention_weight:AttentionWeight",
        "attention_gate": "attention_gate:AttentionGate",
    },
)


@dataclass(frozen=True)
class Dial(ABC):
    """A frozen dataclass of numbers that changes a group's keys and values, and nothing where all of them are 1.

    Raises :class:`InputError` for numbers that are negative or not finite.
    """

    def __post_init__(self):
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
                raise InputError(
                    f"{type(self).__name__}'s {name} must be a number that is not negative, not {value!r}; "
                    "1 changes nothing."
                )

    @property
    def at_rest(self) -> bool:
        """Whether it changes nothing."""
        return all(getattr(self, f.name) == 1 for f in fields(self))

    @abstractmethod
    def __call__(self, k: Tensor, v: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """The group's new keys and values, from its own ``[tokens, heads, head_dim]`` and the text's ``queries``
        ``[text tokens, heads, head_dim]``, all after norm and RoPE. Writes into none of them."""


@dataclass(frozen=True)
class DialedGroup:
    """Dials as an attention edit: each of ``rows`` with one of its own, on the group ``tokens``. The sequence begins
    with ``text`` tokens of text."""

    tokens: slice | Tensor
    rows: tuple[int, ...]
    dials: tuple[Dial | None, ...]  # one a row
    text: int

    @property
    def at_rest(self) -> bool:
        """Whether it changes nothing."""
        return all(dial is None or dial.at_rest for dial in self.dials)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v: ``[batch, tokens, heads, head_dim]``."""
        k, v = k.clone(), v.clone()
        for row, dial in zip(self.rows, self.dials, strict=True):
            if dial is not None and not dial.at_rest:
                group = row, self.tokens
                k[group], v[group] = dial(k[group], v[group], q[row, : self.text])
        return q, k, v


def dial(value: Dial | Mapping[str, Any] | str | None) -> Dial | None:
    """Accept what people write: ``None``, a name with its numbers (``{"name": "attention_weight", "gamma": 7}``), or a
    :class:`Dial`. Raises :class:`InputError` for anything else."""
    if value is None or isinstance(value, Dial):
        return value
    numbers = {"name": value} if isinstance(value, str) else value
    if not isinstance(numbers, Mapping) or "name" not in numbers:
        raise InputError(f"a dial is a name with its numbers, as in name=attention_weight and gamma=7, not {value!r}.")
    name, numbers = numbers["name"], {key: number for key, number in numbers.items() if key != "name"}
    kind = DIALS[name]
    if not (isinstance(kind, type) and issubclass(kind, Dial)):
        raise InputError(f"{name!r} is no dial; it must be a class derived from flowedit_grag.guidance.control.Dial.")
    return section(kind, numbers, f"the dial {name}")


def plain(dial: Dial) -> dict[str, Any]:
    """What :func:`dial` makes the same dial of."""
    kind = type(dial)
    name = next((name for name in DIALS if DIALS[name] is kind), f"{kind.__module__}:{kind.__qualname__}")
    return {"name": name, **asdict(dial)}
