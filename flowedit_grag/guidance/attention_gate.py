"""Gated attention, the comparator Attn-gate of GRAG (arXiv:2510.24657, §6.1, after FreeFlux, arXiv:2503.16153)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from .control import Control


@dataclass(frozen=True)
class AttentionGate(Control):
    """Of the group's tokens, let only the share ``threshold`` through that correlates most with the text.

    A token's correlation is the inner product of its key with a query of the text, the sum over heads and the largest
    over text tokens, most of which are padding; it is let through or shut out whole. Attention to what is shut out
    counts as 0 after the softmax. GRAG's paper says no more than that a threshold on correlations limits how many
    tokens respond, and that 1 is the plain method. Raises :class:`InputError` for a threshold above 1.
    """

    threshold: float

    def __post_init__(self):
        super().__post_init__()
        if self.threshold > 1:
            raise InputError(f"AttentionGate's threshold is a share of the tokens, at most 1, not {self.threshold:g}.")

    def __call__(self, k: Tensor, v: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        correlation = torch.einsum("thd,shd->ts", queries.float(), k.float()).amax(dim=0)
        kept = correlation.topk(round(self.threshold * len(k))).indices
        let_through = torch.zeros_like(v)
        let_through[kept] = v[kept]
        return k, let_through
