"""The rectified-flow matching loss on diptychs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..backbone.families.flux_transformer import velocity_of
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
    """The adapter's float32 weights work in the networks' ``dtype``. ``transformer`` may be wrapped by accelerate."""
    guidance = torch.full_like(sigma, GUIDANCE)
    with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
        return velocity_of(transformer, x, sigma, batch.condition, guidance, batch.context)
