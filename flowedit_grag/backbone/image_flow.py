"""A :class:`Flow` with images at both ends: what the editor knows of a model besides what methods know."""

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from .flow import Flow, TokenLayout
from .image import ImageLike
from .memory import row_bytes
from .profile import Profile


@dataclass
class ImageFlow(Flow):
    """What ``backbone/families/`` has a subclass of for each family of pipelines.

    Attributes:
        loading: what :func:`load` was asked for, besides the model.
        memory_budget: bytes of activations in one forward call; :func:`load` says what the device has.
    """

    profile: Profile = field(default_factory=Profile)
    loading: Mapping[str, Any] = field(default_factory=dict)
    memory_budget: int = 2**62

    def __post_init__(self) -> None:
        self.vital_layers = self.profile.vital_layers

    def rows_that_fit(self, layout: TokenLayout) -> int:
        return max(1, self.memory_budget // row_bytes(self.transformer, layout))

    @property
    @abstractmethod
    def multiple(self) -> int:
        """Pixels that image sides are padded to a multiple of."""

    @property
    def side(self) -> int:
        """Pixels on a side of the square that the model is made for."""
        if self.profile.pixels:
            return round(self.profile.pixels**0.5)
        return self.pipeline.default_sample_size * self.pipeline.vae_scale_factor

    def fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """``size = (width, height)`` scaled down in proportion to the model's area, no side below :attr:`multiple`."""
        area, most = size[0] * size[1], self.side**2
        scale = 1.0 if area <= most else max((most / area) ** 0.5, min(1.0, self.multiple / min(size)))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    @abstractmethod
    def encode(self, image: ImageLike, masked: np.ndarray | None = None) -> Tensor:
        """An image as latents ``[1, C, h, w]``; pixels that are ``masked`` ``[H, W]`` bool are shown as mid-grey."""

    @abstractmethod
    def decode(self, latents: Tensor, size: tuple[int, int] | None = None) -> Image.Image:
        """Latents ``[1, C, h, w]`` as an image of ``size = (width, height)``, by default all of it."""

    @abstractmethod
    def bypassed(self, layer: int) -> AbstractContextManager[None]:
        """Inside the block, the transformer block of attention ``layer`` leaves only its residual stream."""
