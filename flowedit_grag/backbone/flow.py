"""A FLUX pipeline seen as an editor needs it: encode, decode, condition, schedule, velocity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ..inversion import Velocity
from ..tokenize import tokenize
from .condition import Condition
from .forward import velocity_of
from .image import ImageLike, padded, read_image
from .profile import Profile
from .tokens import PATCH, TokenLayout

SHOWN = 60  # characters of a prompt that is refused


@dataclass
class Cost:
    """Transformer work so far: forward calls, and evaluations (calls x batch rows: NFE)."""

    calls: int = 0
    nfe: int = 0


@dataclass
class Flow:
    """A diffusers FLUX pipeline as a velocity field over latent images ``[B, C, h, w]``.

    Latents are float32 whatever the network's dtype: only the calls into the networks cast. The pipeline is used
    as it is, with whatever offload, quantisation, LoRA, compilation or attention backend it carries.
    """

    pipeline: Any  # FluxPipeline; its attributes are dynamic
    profile: Profile = field(default_factory=Profile)
    name: str = ""
    loading: Mapping[str, Any] = field(default_factory=dict)  # what load() was asked for, besides the model
    memory_budget: int | None = None  # bytes of activations in one forward call; None: a share of the memory
    context: Tensor | None = None  # [1, tokens, C]: what a Fill model sees beside the noisy tokens
    cost: Cost = field(default_factory=Cost)

    @property
    def transformer(self) -> Any:
        """The pipeline's ``FluxTransformer2DModel``."""
        return self.pipeline.transformer

    @property
    def device(self) -> torch.device:
        """Where tensors are made and networks run."""
        return self.pipeline._execution_device

    @property
    def multiple(self) -> int:
        """Pixels that image sides are padded to a multiple of."""
        return self.pipeline.vae_scale_factor * PATCH

    @property
    def side(self) -> int:
        """Pixels on a side of the square that the model is made for."""
        if self.profile.pixels:
            return round(self.profile.pixels**0.5)
        return self.pipeline.default_sample_size * self.pipeline.vae_scale_factor

    @property
    def fills(self) -> bool:
        """Whether the model is a Fill one, which sees a masked picture beside the noise."""
        config = self.transformer.config
        return config.in_channels > (config.out_channels or config.in_channels)

    @property
    def layers(self) -> int:
        """How many attention layers there are: double-stream blocks, then single-stream ones."""
        return self.transformer.config.num_layers + self.transformer.config.num_single_layers

    # ---- images and prompts ----------------------------------------------------------------------------------

    @torch.no_grad()
    def encode(self, image: ImageLike, masked: np.ndarray | None = None) -> Tensor:
        """An image as latents ``[1, C, H/8, W/8]``, scaled and shifted; H and W padded to :attr:`multiple`.

        The posterior's mean is taken, so nothing is random. ``masked`` ``[H, W]`` bool are pixels shown as mid-grey,
        which is what Fill models expect of a mask. Raises :class:`InputError` for unreadable images and ones smaller
        than :attr:`multiple`.
        """
        image = read_image(image)
        if min(image.size) < self.multiple:
            raise InputError(
                f"the image is {image.width}x{image.height}; at least {self.multiple} pixels a side are needed."
            )
        pixels = 2 * (torch.from_numpy(np.array(padded(image, self.multiple))).permute(2, 0, 1)[None] / 255) - 1
        if masked is not None:
            pixels[..., : image.height, : image.width][..., torch.from_numpy(masked)] = 0
        vae = self.pipeline.vae
        posterior = vae.encode(pixels.to(self.device, vae.dtype)).latent_dist
        return (posterior.mode().float() - vae.config.shift_factor) * vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor, size: tuple[int, int] | None = None) -> Image.Image:
        """Latents ``[1, C, h, w]`` as an image of ``size = (width, height)``, by default all of it.

        A size within the last multiple of the latents' own is cropped (it undoes the padding of :meth:`encode`,
        pixel by pixel); any other is reached by scaling.
        """
        if latents.ndim != 4 or len(latents) != 1:
            raise InputError(
                f"decode takes one latent image [1, C, h, w], not {list(latents.shape)}; give it a row at a time."
            )
        vae = self.pipeline.vae
        latents = latents.to(self.device) / vae.config.scaling_factor + vae.config.shift_factor
        pixels = vae.decode(latents.to(vae.dtype)).sample[0].float().clamp(-1, 1)
        image = Image.fromarray(((pixels + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy())
        if size is None or size == image.size:
            return image
        if all(0 <= have - want < self.multiple for have, want in zip(image.size, size, strict=True)):
            return image.crop((0, 0, *size))
        return image.resize(size, Image.Resampling.LANCZOS)

    @torch.no_grad()
    def condition(self, prompt: str | Sequence[str], length: int | None = None) -> Condition:
        """Prompts as a :class:`Condition` with a row each, of ``length`` tokens (by default the text encoder's most).

        Raises :class:`InputError` for words that the model's profile says it cannot know, and for prompts that are
        longer: the end of an instruction is what it asks for, and must not be cut off without a word. (CLIP, which
        only adds the pooled embedding, reads the first of its tokens.)
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        self._check_words(prompts)
        length = length or self.pipeline.tokenizer_2.model_max_length
        self._check_length(prompts, length)
        embeds, pooled, _ = self.pipeline.encode_prompt(prompts, None, device=self.device, max_sequence_length=length)
        return Condition(embeds, pooled)

    def _check_words(self, prompts: Sequence[str]) -> None:
        known = self.profile.words
        if known is None:
            return
        strange = sorted({word for prompt in prompts for word in tokenize(prompt)} - set(known))
        if strange:
            listed = " ".join(word for word in known if word.isalpha())
            raise InputError(f"{self.name} does not know {', '.join(map(repr, strange))}; its words are: {listed}.")

    def _check_length(self, prompts: Sequence[str], length: int) -> None:
        for prompt in prompts:
            if (tokens := len(self.pipeline.tokenizer_2(prompt, truncation=False).input_ids)) > length:
                shown = shorten(prompt, SHOWN, placeholder=" …")
                raise InputError(f"a prompt has {tokens} tokens, and {self.name} reads {length}; shorten {shown!r}.")

    # ---- the velocity field ----------------------------------------------------------------------------------

    def schedule(self, steps: int, latents: Tensor) -> list[float]:
        """The pipeline scheduler's ``steps + 1`` descending sigmas for ``latents``, the last one 0."""
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        if not isinstance(steps, int) or steps < 1:
            raise InputError(f"steps must be a whole number from 1 on, not {steps!r}.")
        own = self.pipeline.scheduler
        scheduler, config = type(own).from_config(own.config), own.config
        tokens = TokenLayout.of(latents, 0).tokens
        mu = calculate_shift(
            tokens, config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift
        )
        shift = {"mu": mu} if config.use_dynamic_shifting else {}
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), device="cpu", **shift)
        return scheduler.sigmas.tolist()

    def velocity(self, condition: Condition, guidance: float | Sequence[float] = 1.0) -> Velocity:
        """``v(x, sigma)`` for x ``[B, C, h, w]``, a row for each row of ``condition``.

        ``guidance`` is the distilled guidance scale, one or one a row; models without its embedding ignore it.
        """
        transformer, dtype, device = self.transformer, self.transformer.dtype, self.device
        batch = len(condition)
        placed = Condition(condition.embeds.to(device, dtype), condition.pooled.to(device, dtype))
        scales = torch.as_tensor(guidance, device=device, dtype=dtype).expand(batch)

        @torch.no_grad()
        def v(x: Tensor, sigma: float) -> Tensor:
            if len(x) != batch:
                raise ValueError(f"{len(x)} latents for {batch} prompts")
            self.cost.calls += 1
            self.cost.nfe += batch
            sigmas = torch.full((batch,), sigma, device=device, dtype=dtype)
            with transformer.cache_context("flow"):
                made = velocity_of(transformer, x.to(device), sigmas, placed, scales, context=self.context, dtype=dtype)
            return made.to(x)

        return v

    def layout(self, latents: Tensor, condition: Condition) -> TokenLayout:
        """Which tokens of the joint sequence are text and which are image."""
        return TokenLayout.of(latents, condition.embeds.shape[1])
