"""Recorded tokens as latent images."""

from torch import Tensor

from flowedit_grag.backbone.families.flux_transformer import PATCH, unpack


def latent_grid(tokens: Tensor) -> Tensor:
    """Tokens ``[B, n * n, 4C]`` of a square image as latents ``[B, C, 2n, 2n]``."""
    return unpack(tokens, height=PATCH * round(tokens.shape[1] ** 0.5))
