"""The one place where attention is edited: the joint (q, k, v) after norm and RoPE, right before the kernel.

An edit is a function ``(q, k, v) -> (q, k, v)``, each ``[batch, text + image tokens, heads, head_dim]``. It is
installed by :func:`hooked` and gone after it. Which layers and which steps is decided by installing or not.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor, _get_qkv_projections
from torch import Tensor

from ..errors import InputError

AttentionHook = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class HookedFluxAttention(FluxAttnProcessor):
    """diffusers' ``FluxAttnProcessor`` (0.42; Apache-2.0, The HuggingFace Team, which this follows line by line)
    with ``edit`` applied to (q, k, v). With an edit that changes nothing the output is the stock one bit for bit."""

    def __init__(self, edit: AttentionHook, stock: FluxAttnProcessor):
        super().__init__()
        self.edit = edit
        self._attention_backend = stock._attention_backend
        self._parallel_config = stock._parallel_config

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, image_rotary_emb=None):
        q, k, v, *text = _get_qkv_projections(attn, hidden_states, encoder_hidden_states)
        q, k, v = (x.unflatten(-1, (-1, attn.head_dim)) for x in (q, k, v))
        q, k = attn.norm_q(q), attn.norm_k(k)
        if attn.added_kv_proj_dim is not None:
            text_q, text_k, text_v = (x.unflatten(-1, (-1, attn.head_dim)) for x in text)
            q = torch.cat([attn.norm_added_q(text_q), q], dim=1)
            k = torch.cat([attn.norm_added_k(text_k), k], dim=1)
            v = torch.cat([text_v, v], dim=1)
        if image_rotary_emb is not None:
            q = apply_rotary_emb(q, image_rotary_emb, sequence_dim=1)
            k = apply_rotary_emb(k, image_rotary_emb, sequence_dim=1)
        q, k, v = self.edit(q, k, v)
        out = dispatch_attention_fn(
            q, k, v, attn_mask=attention_mask, backend=self._attention_backend, parallel_config=self._parallel_config
        )
        out = out.flatten(2, 3).to(q.dtype)
        if encoder_hidden_states is None:
            return out
        text_out, out = out.split([encoder_hidden_states.shape[1], hidden_states.shape[1]], dim=1)
        return attn.to_out[1](attn.to_out[0](out.contiguous())), attn.to_add_out(text_out.contiguous())


def layer_names(transformer: torch.nn.Module) -> list[str]:
    """Module names of the attention layers in the order they run: double-stream blocks, then single-stream ones."""
    return [name.removesuffix(".processor") for name in transformer.attn_processors]


@contextmanager
def hooked(transformer: torch.nn.Module, edits: Mapping[int, AttentionHook]) -> Iterator[None]:
    """Apply ``edits`` (layer index -> edit) inside the block, and leave the transformer exactly as it was.

    Raises :class:`InputError` for a layer that does not exist, a processor that is not diffusers' own, or while a
    step cache is on (it would skip edited calls).
    """
    if not edits:
        yield
        return
    names = layer_names(transformer)
    check_layers(edits, len(names))
    if getattr(transformer, "is_cache_enabled", False):
        raise InputError("a step cache would skip the attention edits; call disable_cache() on the transformer first.")
    modules = {index: transformer.get_submodule(names[index]) for index in edits}
    stock = {index: module.processor for index, module in modules.items()}
    for index, processor in stock.items():
        if type(processor) is not FluxAttnProcessor:
            kind = type(processor).__name__
            raise InputError(
                f"{names[index]} has a {kind}, which editing would drop; unload it (an IP-Adapter?) first."
            )
    try:
        for index, module in modules.items():
            module.set_processor(HookedFluxAttention(edits[index], stock[index]))
        yield
    finally:
        for index, module in modules.items():
            module.set_processor(stock[index])


def check_layers(indices, count: int) -> None:
    """Raise :class:`InputError` unless every index names one of ``count`` attention layers."""
    wrong = [index for index in indices if not (isinstance(index, int) and 0 <= index < count)]
    if wrong:
        raise InputError(f"attention layer {wrong[0]!r} does not exist: this model's layers are 0 to {count - 1}.")


def compose(*edits: AttentionHook) -> AttentionHook:
    """One edit that applies several, first to last."""

    def apply(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for edit in edits:
            q, k, v = edit(q, k, v)
        return q, k, v

    return apply if len(edits) != 1 else edits[0]
