"""Values of one pass, kept for another: RF-Solver-Edit (arXiv:2411.04746, §3.3), ICEdit (arXiv:2504.20690, §B.2)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..backbone.attention_hook import AttentionHook


def recording_bytes(transformer: Any, tokens: int, layers: int, slots: int) -> int:
    """Bytes of a :class:`ValueRecorder` for ``tokens`` of one row at a number of layers, before it is made."""
    config = transformer.config
    width = config.num_attention_heads * config.attention_head_dim
    return slots * layers * tokens * width * transformer.dtype.itemsize


class ValueRecorder:
    """Preallocated buffers for V ``[batch, tokens, heads, head_dim]``, one for each of ``layers`` and ``slots`` (a slot
    holds one transformer call).

    ``nbytes`` states their size before anything is recorded. ``device`` may be the CPU while the model runs elsewhere.
    ``tokens`` are those of the recorded sequence that are kept, as many as ``shape`` says.
    """

    def __init__(
        self, layers: Sequence[int], slots: int, shape: tuple[int, int, int, int], dtype, device,
        tokens: slice = slice(None),
    ):  # fmt: skip
        self.tokens = tokens
        self.buffers = {layer: torch.empty((slots, *shape), dtype=dtype, device=device) for layer in layers}

    @property
    def nbytes(self) -> int:
        """Bytes held by all buffers."""
        return sum(buffer.nbytes for buffer in self.buffers.values())

    def record(self, slot: int) -> dict[int, AttentionHook]:
        """Hooks (layer -> hook) that copy V into ``slot`` and change nothing."""

        def into(place: Tensor) -> AttentionHook:
            def edit(q: Tensor, k: Tensor, v: Tensor):
                place.copy_(v[:, self.tokens])
                return q, k, v

            return edit

        return {layer: into(buffer[slot]) for layer, buffer in self.buffers.items()}

    def inject(
        self, slot: int, rows: Sequence[int], tokens: slice | Tensor = slice(None)
    ) -> dict[int, AttentionHook]:  # fmt: skip
        """Hooks (layer -> hook) that give ``tokens`` of ``rows`` the V of ``slot``: one row for all, or each."""

        chosen = torch.tensor(list(rows))
        if isinstance(tokens, Tensor):
            chosen = chosen[:, None]  # indexes every chosen token of every chosen row

        def out_of(place: Tensor) -> AttentionHook:
            def edit(q: Tensor, k: Tensor, v: Tensor):
                v = v.clone()
                v[chosen, tokens] = place.to(v)
                return q, k, v

            return edit

        return {layer: out_of(buffer[slot]) for layer, buffer in self.buffers.items()}
