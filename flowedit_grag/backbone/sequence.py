"""What a transformer's sequence is made of: prompts, and the tokens of text and image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True)
class Condition:
    """What the text encoders make of prompts, a row each: ``embeds`` ``[B, T, D]``, ``pooled`` ``[B, P]``."""

    embeds: Tensor
    pooled: Tensor

    def __post_init__(self):
        if self.embeds.ndim != 3 or self.pooled.ndim != 2 or len(self.embeds) != len(self.pooled):
            shapes = f"{list(self.embeds.shape)} and {list(self.pooled.shape)}"
            raise InputError(f"a Condition takes embeds [B, T, D] and pooled [B, P] with the same B, not {shapes}.")

    def __len__(self) -> int:
        return len(self.embeds)

    def __getitem__(self, rows: int | slice | Sequence[int]) -> "Condition":
        """The given rows, as a Condition (an int gives one row)."""
        chosen = [rows] if isinstance(rows, int) else rows
        return Condition(self.embeds[chosen], self.pooled[chosen])

    @classmethod
    def cat(cls, conditions: Sequence["Condition"]) -> "Condition":
        """All rows of all ``conditions``. Raises :class:`InputError` where text lengths differ."""
        lengths = {condition.embeds.shape[1] for condition in conditions}
        if len(lengths) > 1:
            raise InputError(f"prompts of one batch need one text length, not {sorted(lengths)}; encode them alike.")
        return cls(torch.cat([c.embeds for c in conditions]), torch.cat([c.pooled for c in conditions]))


@dataclass(frozen=True)
class TokenLayout:
    """The joint sequence ``[text | image]``; the image part is a ``height x width`` grid, row by row."""

    text: int
    height: int
    width: int

    @property
    def tokens(self) -> int:
        """Number of image tokens."""
        return self.height * self.width

    @property
    def image(self) -> slice:
        """Where the image tokens are."""
        return slice(self.text, self.text + self.tokens)
