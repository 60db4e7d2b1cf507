"""A :class:`Flow` with images at both ends: what the editor knows of a model besides what methods know."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ..tokenize import tokenize
from .flow import Condition, Flow, TokenLayout
from .image import ImageLike, padded, read_image
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

    def encode(self, image: ImageLike, masked: np.ndarray | None = None) -> Tensor:
        """An image as latents ``[1, C, h, w]``; H and W padded to :attr:`multiple`.

        ``masked`` ``[H, W]`` bool are pixels shown as mid-grey, which is what Fill models expect of a mask. Raises
        :class:`InputError` for unreadable images and ones smaller than :attr:`multiple`, and for latents that are not
        finite.
        """
        image = read_image(image)
        if min(image.size) < self.multiple:
            raise InputError(
                f"the image is {image.width}x{image.height}; at least {self.multiple} pixels a side are needed."
            )
        pixels = 2 * (torch.from_numpy(np.array(padded(image, self.multiple))).permute(2, 0, 1)[None].float() / 255) - 1
        if masked is not None:
            pixels[..., : image.height, : image.width][..., torch.from_numpy(masked)] = 0
        with self.lock:
            latents = self.to_latents(pixels)
        check_finite(latents, "the autoencoder's latents are")
        return latents

    def decode(self, latents: Tensor, size: tuple[int, int] | None = None) -> Image.Image:
        """Latents ``[1, C, h, w]`` as an image of ``size = (width, height)``, by default all of it.

        A size within the last multiple of the latents' own is cropped (it undoes the padding of :meth:`encode`,
        pixel by pixel); any other is reached by scaling. Raises :class:`InputError` for numbers that are not finite,
        which would be a black picture.
        """
        if latents.ndim != 4 or len(latents) != 1:
            raise InputError(
                f"decode takes one latent image [1, C, h, w], not {list(latents.shape)}; give it a row at a time."
            )
        check_finite(latents, "the latents are")
        with self.lock:
            pixels = self.to_pixels(latents)[0].float()
        check_finite(pixels, "the autoencoder's picture is")
        image = Image.fromarray(((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy())
        if size is None or size == image.size:
            return image
        if all(0 <= have - want < self.multiple for have, want in zip(image.size, size, strict=True)):
            return image.crop((0, 0, *size))
        return image.resize(size, Image.Resampling.LANCZOS)

    def condition(self, prompt: str | Sequence[str], length: int | None = None) -> Condition:
        """Prompts as a :class:`Condition` with a row each, of ``length`` tokens (by default the text encoder's most).

        Raises :class:`InputError` for words that the model's profile says it cannot know, and for prompts that are
        longer.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        self._check_words(prompts)
        with self.lock:
            return self.to_condition(prompts, length)

    def is_foreign(self, image: Image.Image) -> bool:
        """Whether the autoencoder reproduces a picture worse than the model's profile says it should."""
        limit = self.profile.roundtrip_psnr
        if limit is None:
            return False
        again = self.decode(self.encode(padded(image, self.multiple)), image.size)
        return bool(np.mean((np.asarray(again, float) - np.asarray(image, float)) ** 2) > 255**2 / 10 ** (limit / 10))

    def _check_words(self, prompts: list[str]) -> None:
        known = self.profile.words
        if known is None:
            return
        strange = sorted({word for prompt in prompts for word in tokenize(prompt)} - set(known))
        if strange:
            listed = " ".join(word for word in known if word.isalpha())
            raise InputError(f"{self.name} does not know {', '.join(map(repr, strange))}; its words are: {listed}.")

    # ---- what a family says, besides what Flow asks ----------------------------------------------------------

    @abstractmethod
    def to_latents(self, pixels: Tensor) -> Tensor:
        """Pixels ``[1, 3, H, W]`` in [-1, 1], of sides that are multiples, as latents ``[1, C, h, w]``."""

    @abstractmethod
    def to_pixels(self, latents: Tensor) -> Tensor:
        """Latents ``[1, C, h, w]`` as pixels ``[1, 3, H, W]``, about in [-1, 1]."""

    @abstractmethod
    def to_condition(self, prompts: list[str], length: int | None) -> Condition:
        """Prompts as a :class:`Condition` with a row each. Raises :class:`InputError` for those that are too long."""

    @abstractmethod
    def bypassed(self, layer: int) -> AbstractContextManager[None]:
        """Inside the block, the transformer block of attention ``layer`` leaves only its residual stream."""


def check_finite(values: Tensor, what: str) -> None:
    """Raise :class:`InputError` for ``values`` that hold infinity or NaN, of ``what`` with its verb."""
    if not values.isfinite().all():
        raise InputError(f"{what} not finite; load the model with dtype='bfloat16', or 'float32' where it fits.")
