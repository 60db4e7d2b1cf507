"""Group-relative attention guidance (GRAG, arXiv:2510.24657): the dial for the strength of an edit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True)
class GRAG:
    """Weigh the mean of a group of keys and what is left of each key (Algorithm 1, eq. 9).

    ``k <- lam * mean(k) + delta * (k - mean(k))``, the mean over the group's tokens. ``lam = delta = 1`` changes
    nothing, bit for bit. ``delta`` alone is the recommended strength (§6.4): above 1 the edit keeps closer to the
    source, below 1 it departs further. Raises :class:`InputError` for negative or non-finite values.
    """

    lam: float = 1.0
    delta: float = 1.0

    def __post_init__(self):
        for name, value in (("lam", self.lam), ("delta", self.delta)):
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
                raise InputError(
                    f"GRAG's {name} must be a number that is not negative, not {value!r}; 1 changes nothing."
                )

    @classmethod
    def of(cls, value: "GRAG | float | Sequence[float] | Mapping[str, float] | None") -> "GRAG | None":
        """Accept what people write: ``None``, delta, ``(lam, delta)``, a dict of both, or a :class:`GRAG`."""
        if value is None or isinstance(value, GRAG):
            return value
        if isinstance(value, Real):
            return cls(delta=float(value))
        if isinstance(value, Mapping):
            if extra := set(value) - {"lam", "delta"}:
                raise InputError(f"GRAG has no {', '.join(map(repr, sorted(extra)))}; it takes lam and delta.")
            return cls(**value)
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
            return cls(*value)
        raise InputError(f"grag must be None, delta, (lam, delta), a dict of these or a GRAG, not {value!r}.")

    @property
    def at_rest(self) -> bool:
        """Whether it changes nothing."""
        return self.lam == self.delta == 1


@dataclass(frozen=True)
class GragKeys:
    """GRAG as an attention edit: each of ``rows`` with its own strength, on the keys of ``tokens``."""

    tokens: slice | Tensor
    rows: tuple[int, ...]
    strengths: tuple[GRAG, ...]  # one a row

    @property
    def at_rest(self) -> bool:
        """Whether it changes nothing."""
        return all(strength.at_rest for strength in self.strengths)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v: ``[batch, tokens, heads, head_dim]``."""
        k = k.clone()
        for row, strength in zip(self.rows, self.strengths, strict=True):
            if not strength.at_rest:
                k[row, self.tokens] = reweighted(k[row, self.tokens], strength)
        return q, k, v


def reweighted(group: Tensor, strength: GRAG) -> Tensor:
    """Eq. 9 on the keys of one group, ``[..., tokens, heads, head_dim]``, its mean taken in float32."""
    mean = group.mean(dim=-3, keepdim=True, dtype=torch.float32)
    return (strength.lam * mean + strength.delta * (group - mean)).to(group.dtype)
