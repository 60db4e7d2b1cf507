"""A FLUX.1 transformer seen from latent images: one forward call, its tokens, and its attention with a hook."""

from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor, _get_qkv_projections
from einops import rearrange
from torch import Tensor

from ..attention_hook import AttentionHook
from ..flow import Condition, TokenLayout

PATCH = 2  # FLUX packs 2 x 2 latent pixels into a token


def layout_of(latents: Tensor, text: int) -> TokenLayout:
    """The layout of ``latents`` ``[B, C, h, w]`` beside ``text`` tokens."""
    return TokenLayout(text, latents.shape[-2] // PATCH, latents.shape[-1] // PATCH)


def pack(latents: Tensor) -> Tensor:
    """``[B, C, h, w]`` -> ``[B, h/2 * w/2, 4C]``."""
    return rearrange(latents, "b c (h p) (w q) -> b (h w) (c p q)", p=PATCH, q=PATCH)


def unpack(tokens: Tensor, height: int) -> Tensor:
    """``[B, h/2 * w/2, 4C]`` -> ``[B, C, h, w]`` for latents of the given ``height``."""
    return rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", p=PATCH, q=PATCH, h=height // PATCH)


def image_ids(layout: TokenLayout, device: torch.device | str) -> Tensor:
    """Positions ``[tokens, 3]`` of the image tokens: (0, row, column), in float32 (bfloat16 counts to 256)."""
    return torch.cartesian_prod(*map(torch.arange, (1, layout.height, layout.width))).to(device, torch.float32)


def velocity_of(
    transformer: Any, x: Tensor, sigma: Tensor, condition: Condition, guidance: Tensor, context: Tensor | None = None
) -> Tensor:
    """The velocity ``[B, C, h, w]`` that ``transformer`` predicts for ``x`` ``[B, C, h, w]`` at ``sigma`` ``[B]``.

    ``guidance`` ``[B]`` is the distilled scale, which models without its embedding ignore; ``context``
    ``[B or 1, tokens, C']`` what a Fill model sees beside the noisy tokens.
    """
    network = getattr(transformer, "module", transformer)  # accelerate may wrap it
    layout, dtype, tokens = layout_of(x, condition.embeds.shape[1]), network.dtype, pack(x)
    if context is not None:
        tokens = torch.cat([tokens, context.to(tokens).expand(len(tokens), -1, -1)], dim=-1)
    out = transformer(
        hidden_states=tokens.to(dtype),
        timestep=sigma.to(x.device, dtype),
        guidance=guidance.to(x.device, dtype) if network.config.guidance_embeds else None,
        encoder_hidden_states=condition.embeds.to(x.device, dtype),
        pooled_projections=condition.pooled.to(x.device, dtype),
        txt_ids=torch.zeros(layout.text, 3, device=x.device, dtype=torch.float32),
        img_ids=image_ids(layout, x.device),
        return_dict=False,
    )[0]
    return unpack(out, x.shape[-2])


class HookedFluxAttention(FluxAttnProcessor):
    """diffusers' ``FluxAttnProcessor`` (0.42; Apache-2.0, The HuggingFace Team, which this follows line by line)
    with a hook on (q, k, v). With a hook that changes nothing the output is the stock one bit for bit."""

    def __init__(self, hook: AttentionHook, stock: FluxAttnProcessor):
        super().__init__()
        self.hook = hook
        self._attention_backend, self._parallel_config = stock._attention_backend, stock._parallel_config

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
            q, k = (apply_rotary_emb(x, image_rotary_emb, sequence_dim=1) for x in (q, k))
        q, k, v = self.hook(q, k, v)
        out = dispatch_attention_fn(
            q, k, v, attn_mask=attention_mask, backend=self._attention_backend, parallel_config=self._parallel_config
        )
        out = out.flatten(2, 3).to(q.dtype)
        if encoder_hidden_states is None:
            return out
        text_out, out = out.split([encoder_hidden_states.shape[1], hidden_states.shape[1]], dim=1)
        return attn.to_out[1](attn.to_out[0](out.contiguous())), attn.to_add_out(text_out.contiguous())


PROCESSORS = {FluxAttnProcessor: HookedFluxAttention}
