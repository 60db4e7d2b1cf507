"""Controls turn the strength of an edit by how attention sees the tokens through which the source enters."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

from torch import Tensor

from ..options import check_options


@dataclass(frozen=True)
class Control(ABC):
    """A frozen dataclass of numbers that changes a group's keys and values, and nothing where all of them are 1.

    Raises :class:`InputError` for numbers that are negative or not finite.
    """

    def __post_init__(self):
        check_options(self)

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return all(getattr(self, f.name) == 1 for f in fields(self))

    @abstractmethod
    def __call__(self, k: Tensor, v: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """The group's new keys and values, from its own ``[tokens, heads, head_dim]`` and the text's ``queries``
        ``[text tokens, heads, head_dim]``, all after norm and RoPE. Writes into none of them."""


@dataclass(frozen=True)
class ControlledGroup:
    """Controls as an attention hook on the group ``tokens`` of a sequence that begins with ``text`` tokens of text."""

    tokens: slice | Tensor
    controls: tuple[Control | None, ...]  # one for each row of the batch
    text: int

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return all(control is None or control.is_identity for control in self.controls)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v: ``[batch, tokens, heads, head_dim]``."""
        k, v = k.clone(), v.clone()
        for row, control in enumerate(self.controls):
            if control is not None and not control.is_identity:
                group = row, self.tokens
                k[group], v[group] = control(k[group], v[group], q[row, : self.text])
        return q, k, v
