"""Attention reweighting, the comparator Attn-weight of GRAG (arXiv:2510.24657, §6.1, after SaaS, arXiv:2507.16240)."""

from dataclasses import dataclass

from torch import Tensor

from .control import Control


@dataclass(frozen=True)
class AttentionWeight(Control):
    """Multiply the attention that is paid to the group by ``gamma``, after the softmax and so without a new sum of 1.

    Scaling the group's values is the same thing, and lets any attention kernel do the rest.
    """

    gamma: float

    def __call__(self, k: Tensor, v: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        return k, self.gamma * v
