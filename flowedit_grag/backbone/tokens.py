"""Latent images and FLUX's tokens: which is which, and the way there and back."""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

PATCH = 2  # FLUX packs 2 x 2 latent pixels into a token


@dataclass(frozen=True)
class TokenLayout:
    """The joint sequence ``[text | image]``; the image part is a ``height x width`` grid, row by row."""

    text: int
    height: int
    width: int

    @classmethod
    def of(cls, latents: Tensor, text: int) -> "TokenLayout":
        """The layout of ``latents`` ``[B, C, h, w]`` beside ``text`` tokens."""
        return cls(text, latents.shape[-2] // PATCH, latents.shape[-1] // PATCH)

    @property
    def tokens(self) -> int:
        """Number of image tokens."""
        return self.height * self.width

    @property
    def image(self) -> slice:
        """Where the image tokens are."""
        return slice(self.text, self.text + self.tokens)

    def columns(self, start: int, stop: int) -> Tensor:
        """Indices of the image tokens in grid columns ``[start, stop)``: a diptych's half is strided."""
        grid = torch.arange(self.tokens).view(self.height, self.width)
        return self.text + grid[:, start:stop].flatten()


def pack(latents: Tensor) -> Tensor:
    """``[B, C, h, w]`` -> ``[B, h/2 * w/2, 4C]``."""
    return rearrange(latents, "b c (h p) (w q) -> b (h w) (c p q)", p=PATCH, q=PATCH)


def unpack(tokens: Tensor, height: int) -> Tensor:
    """``[B, h/2 * w/2, 4C]`` -> ``[B, C, h, w]`` for latents of the given ``height``."""
    return rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", p=PATCH, q=PATCH, h=height // PATCH)


def image_ids(layout: TokenLayout, device: torch.device | str, dtype: torch.dtype) -> Tensor:
    """Positions ``[tokens, 3]`` of the image tokens: (0, row, column)."""
    row, column = torch.meshgrid(torch.arange(layout.height), torch.arange(layout.width), indexing="ij")
    return torch.stack([torch.zeros_like(row), row, column], dim=-1).view(-1, 3).to(device, dtype)
