"""The rectified-flow matching loss on diptychs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..backbone.tokens import TokenLayout, image_ids, pack, unpack
from .diptychs import Diptychs

GUIDANCE = 1.0  # of distilled guidance, as ICEdit's and OminiControl's code train FLUX's adapters


def draw(seed: int, samples: Sequence[int], shape: Sequence[int], logit_mean: float = 0.0) -> tuple[Tensor, Tensor]:
    """Noise ``[B, *shape]`` and sigma ``[B]`` for samples of the given numbers, each from (seed, its number).

    sigma is logit-normal(``logit_mean``, 1) (Esser et al., arXiv:2403.03206, §3.1); ICEdit's training code has 0.
    """
    drawn = []
    for sample in samples:
        number = int(np.random.SeedSequence((seed, sample)).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(number)
        drawn.append(
            (torch.randn(*shape, generator=generator), (logit_mean + torch.randn((), generator=generator)).sigmoid())
        )
    noise, sigma = zip(*drawn, strict=True)
    return torch.stack(noise), torch.stack(sigma)


def loss(transformer: Any, batch: Diptychs, noise: Tensor, sigma: Tensor, dtype: torch.dtype) -> Tensor:
    """``|| v(x_sigma, sigma) - (noise - x_0) ||^2``, the mean over both panels (paper, §B.3)."""
    x = batch.latents
    noise, sigma = noise.to(x), sigma.to(x)
    s = sigma.view(-1, 1, 1, 1)
    v = velocity(transformer, (1 - s) * x + s * noise, sigma, batch, dtype)
    return functional.mse_loss(v.float(), noise - x)


def velocity(transformer: Any, x: Tensor, sigma: Tensor, batch: Diptychs, dtype: torch.dtype) -> Tensor:
    """What :meth:`Flow.velocity` computes, with gradients and a ``sigma`` ``[B]`` for every row of ``x``.

    The adapter's float32 weights work in the networks' ``dtype``. ``transformer`` may be wrapped by accelerate.
    """
    guided = getattr(transformer, "module", transformer).config.guidance_embeds  # accelerate may wrap it
    layout, length = TokenLayout.of(x, 0), batch.condition.embeds.shape[1]
    with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
        out = transformer(
            hidden_states=torch.cat([pack(x), batch.context], dim=-1).to(dtype),
            timestep=sigma.to(dtype),
            guidance=torch.full_like(sigma, GUIDANCE, dtype=dtype) if guided else None,
            encoder_hidden_states=batch.condition.embeds.to(x.device, dtype),
            pooled_projections=batch.condition.pooled.to(x.device, dtype),
            txt_ids=torch.zeros(length, 3, device=x.device),
            img_ids=image_ids(layout, x.device, torch.float32),  # bfloat16 counts to 256
            return_dict=False,
        )[0]
    return unpack(out, x.shape[-2])
