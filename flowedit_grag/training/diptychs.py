"""What the model is trained on: diptychs of pairs, with their prompts, and the rectified-flow matching loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..backbone.families.flux_fill import context_right_of
from ..backbone.families.flux_transformer import layout_of, velocity_of
from ..backbone.flow import Condition
from ..backbone.image import padded, resized
from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..methods.diptych_frame import diptych_prompt, side_by_side
from ..methods.icedit import ICEdit
from .data import Pair

GUIDANCE = 1.0  # of distilled guidance, as ICEdit's and OminiControl's code train FLUX's adapters


@dataclass(frozen=True)
class Diptychs:
    """A batch of them."""

    latents: Tensor  # [B, C, h, 2w], source on the left and target on the right
    context: Tensor  # [B, tokens, C'], the source beside a masked panel
    condition: Condition  # B rows


@torch.no_grad()
def diptychs(flow: ImageFlow, method: ICEdit, pairs: Sequence[Pair], square: bool = False) -> Diptychs:
    """Encode ``pairs`` exactly as ``method`` encodes a source when it edits; but in ``square`` panels, if asked for.

    Both pictures of a pair have one shape. Raises :class:`InputError` for batches of several sizes.
    """
    frame, encoded = method.frame(), []
    for pair in pairs:
        size = (method.width, method.width) if square else frame.size(flow, pair.source.size)
        source, target = resized(pair.source, size), resized(pair.target, size)
        whole = flow.encode(side_by_side(padded(source, flow.multiple), padded(target, flow.multiple)))
        encoded.append((whole, context_right_of(flow, frame.encode(flow, source), layout_of(whole, 0).width // 2)))
    if len({latents.shape for latents, _ in encoded}) > 1:
        sizes = ", ".join(f"{pair.name} ({pair.source.width}x{pair.source.height})" for pair in pairs)
        raise InputError(f"pictures of one batch need one shape: {sizes}; choose panel=square, or batch=1.")
    latents, context = (torch.cat(parts) for parts in zip(*encoded, strict=True))
    return Diptychs(latents, context, flow.condition([diptych_prompt(pair.instruction) for pair in pairs]))


def draw(seed: int, samples: Sequence[int], shape: Sequence[int], logit_mean: float = 0.0) -> tuple[Tensor, Tensor]:
    """Noise ``[B, *shape]`` and sigma ``[B]`` for samples of the given numbers, each from (seed, its number).

    sigma is logit-normal(``logit_mean``, 1) (Esser et al., arXiv:2403.03206, §3.1); ICEdit's training code has 0.
    """
    noise, sigma = [], []
    for sample in samples:
        number = int(np.random.SeedSequence((seed, sample)).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(number)
        noise.append(torch.randn(*shape, generator=generator))
        sigma.append((logit_mean + torch.randn((), generator=generator)).sigmoid())
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
