"""One forward call of a FLUX transformer, seen from latent images."""

from typing import Any

import torch
from torch import Tensor

from .condition import Condition
from .tokens import TokenLayout, image_ids, pack, unpack


def velocity_of(
    transformer: Any, x: Tensor, sigma: Tensor, condition: Condition, guidance: Tensor, *,
    context: Tensor | None = None, dtype: torch.dtype | None = None,
) -> Tensor:  # fmt: skip
    """The velocity ``[B, C, h, w]`` that ``transformer`` predicts for ``x`` ``[B, C, h, w]`` at ``sigma`` ``[B]``.

    Args:
        guidance: distilled guidance scale ``[B]``; models without its embedding ignore it.
        context: ``[B or 1, tokens, C']``, what a Fill model sees beside the noisy tokens.
        dtype: of what goes in; by default that of ``x``.
    """
    config = getattr(transformer, "module", transformer).config  # accelerate may wrap it
    layout, dtype = TokenLayout.of(x, condition.embeds.shape[1]), dtype or x.dtype
    tokens = pack(x)
    if context is not None:
        tokens = torch.cat([tokens, context.to(tokens).expand(len(tokens), -1, -1)], dim=-1)
    out = transformer(
        hidden_states=tokens.to(dtype),
        timestep=sigma.to(x.device, dtype),
        guidance=guidance.to(x.device, dtype) if config.guidance_embeds else None,
        encoder_hidden_states=condition.embeds.to(x.device, dtype),
        pooled_projections=condition.pooled.to(x.device, dtype),
        txt_ids=torch.zeros(layout.text, 3, device=x.device),
        img_ids=image_ids(layout, x.device, torch.float32),  # bfloat16 counts to 256
        return_dict=False,
    )[0]
    return unpack(out, x.shape[-2])
