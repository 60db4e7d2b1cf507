"""Group-relative attention guidance (GRAG, arXiv:2510.24657): the dial for the strength of an edit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..options import make
from .control import Control


@dataclass(frozen=True)
class GRAG(Control):
    """Weigh the mean of a group of keys and what is left of each key (Algorithm 1, eq. 9).

    ``k <- lam * mean(k) + delta * (k - mean(k))``, the mean over the group's tokens. ``lam = delta = 1`` changes
    nothing, bit for bit. ``delta`` alone is the recommended strength (§6.4): above 1 the edit keeps closer to the
    source, below 1 it departs further. Raises :class:`InputError` for negative or non-finite values.
    """

    lam: float = 1.0
    delta: float = 1.0

    @classmethod
    def of(cls, value: Any) -> "GRAG":
        """From what people write: delta, ``(lam, delta)``, a dict of both, or a :class:`GRAG`."""
        if isinstance(value, GRAG):
            return value
        if isinstance(value, Real) and not isinstance(value, bool):
            return make(cls, {"delta": value}, "GRAG")
        if isinstance(value, Mapping):
            return make(cls, value, "GRAG")
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
            return cls(*value)
        raise InputError(f"grag must be None, delta, (lam, delta), a dict of these or a GRAG, not {value!r}.")

    def __call__(self, k: Tensor, v: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        mean = k.mean(dim=-3, keepdim=True, dtype=torch.float32)
        return (self.lam * mean + self.delta * (k - mean)).to(k.dtype), v
