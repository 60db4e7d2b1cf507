"""Skip a transformer block, leaving only its residual stream (Stable Flow, arXiv:2411.14430, §3.1)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from .hook import check_layers, layer_names


@contextmanager
def bypassed(transformer: torch.nn.Module, layer: int) -> Iterator[None]:
    """Let both streams pass the block of ``layer`` unchanged. Raises ``InputError`` for no such layer."""
    names = layer_names(transformer)
    check_layers([layer], len(names))
    block = transformer.get_submodule(names[layer].removesuffix(".attn"))
    own = block.__dict__.get("forward")  # set by hooks (offloading), which come back afterwards

    def skip(hidden_states: Tensor, encoder_hidden_states: Tensor, *_, **__) -> tuple[Tensor, Tensor]:
        return encoder_hidden_states, hidden_states

    block.forward = skip
    try:
        yield
    finally:
        if own is None:
            del block.forward
        else:
            block.forward = own
