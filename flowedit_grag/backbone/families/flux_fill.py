"""What FLUX.1-Fill sees beside the noise: the masked picture's latents, and the mask."""

import torch
from torch import Tensor

from ..flow import Flow
from .flux_transformer import PATCH, layout_of, pack


def fill_context(latents: Tensor, masked: Tensor, pixels_per_latent: int) -> Tensor:
    """The tokens ``[1, tokens, 4C + (2 pixels_per_latent)^2]`` that go beside the noisy ones.

    ``latents`` ``[1, C, h, w]`` are the encoded picture with its masked pixels grey, ``masked`` ``[h/2, w/2]`` bool
    says which tokens are to be filled, all of their pixels alike.
    """
    pixels = (PATCH * pixels_per_latent) ** 2
    mask = masked.flatten().to(latents)[None, :, None].expand(1, -1, pixels)
    return torch.cat([pack(latents), mask], dim=-1)


def context_right_of(flow: Flow, latents: Tensor, column: int) -> Tensor:
    """What ``flow`` sees where the token columns from ``column`` on of the picture in ``latents`` are masked."""
    layout = layout_of(latents, 0)
    masked = (torch.arange(layout.width, device=latents.device) >= column).expand(layout.height, -1)
    return fill_context(latents, masked, flow.pipeline.vae_scale_factor)
