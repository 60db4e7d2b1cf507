"""FLUX.1's pipelines: text-to-image, and Fill, which paints what a mask hides."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import signature
from itertools import pairwise
from textwrap import shorten
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import FluxPipeline
from torch import Tensor, nn

from ...errors import InputError, first_line
from ..attention_hook import check_layers
from ..flow import Condition, TokenLayout
from ..image_flow import ImageFlow
from .flux_fill import context_right_of
from .flux_transformer import PATCH, PROCESSORS, layout_of, velocity_of

MOST_TOKENS = signature(FluxPipeline.encode_prompt).parameters["max_sequence_length"].default
SHOWN = 60  # characters of a prompt that is refused
MOST_STEPS = 10_000  # ten times as many noise levels as models are trained on


@dataclass
class FluxFlow(ImageFlow):
    """A ``FluxPipeline`` or ``FluxFillPipeline``."""

    context: Tensor | None = None  # [1, tokens, C]: what a Fill model sees beside the noisy tokens
    processors: ClassVar[Mapping[Any, Any]] = PROCESSORS

    def __post_init__(self) -> None:
        super().__post_init__()
        config = self.transformer.config
        self.fills = config.in_channels > (config.out_channels or config.in_channels)

    @property
    def multiple(self) -> int:
        """Pixels that image sides are padded to a multiple of."""
        return self.pipeline.vae_scale_factor * PATCH

    @property
    def value_layers(self) -> tuple[int, ...]:
        """Those that the profile says, or else the second half of the single-stream blocks."""
        count, single = self.layers, self.transformer.config.num_single_layers
        known = self.profile.value_layers
        return tuple(range(count - single // 2, count)) if known is None else known

    @torch.no_grad()
    def to_latents(self, pixels: Tensor) -> Tensor:
        """The posterior's mean, so that nothing is random; scaled and shifted."""
        vae = self.pipeline.vae
        posterior = vae.encode(pixels.to(self.device, vae.dtype)).latent_dist
        return (posterior.mode().float() - vae.config.shift_factor) * vae.config.scaling_factor

    @torch.no_grad()
    def to_pixels(self, latents: Tensor) -> Tensor:
        vae = self.pipeline.vae
        latents = latents.to(self.device) / vae.config.scaling_factor + vae.config.shift_factor
        return vae.decode(latents.to(vae.dtype)).sample

    @torch.no_grad()
    def to_condition(self, prompts: list[str], length: int | None) -> Condition:
        """Prompts of ``length`` tokens, by default T5's most. (CLIP, which only adds the pooled embedding, reads the
        first of its tokens.)"""
        length = length or min(self.pipeline.tokenizer_2.model_max_length, MOST_TOKENS)
        self._check_length(prompts, length)
        embeds, pooled, _ = self.pipeline.encode_prompt(prompts, None, device=self.device, max_sequence_length=length)
        return Condition(embeds, pooled)

    def _check_length(self, prompts: list[str], length: int) -> None:
        """The end of an instruction is what it asks for, and must not be cut off without a word."""
        for prompt in prompts:
            if (tokens := len(self.pipeline.tokenizer_2(prompt, truncation=False).input_ids)) > length:
                shown = shorten(prompt, SHOWN, placeholder=" …")
                raise InputError(f"a prompt has {tokens} tokens, and {self.name} reads {length}; shorten {shown!r}.")

    def schedule(self, steps: int, latents: Tensor) -> list[float]:
        """As ``FluxPipeline`` asks its scheduler, shifted by the number of tokens of ``latents`` as the config says.

        Raises :class:`InputError` for schedulers whose sigmas are no rectified flow's.
        """
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift, retrieve_timesteps

        if not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
            raise InputError(f"steps must be a whole number from 1 to {MOST_STEPS}, not {steps!r}.")
        own = self.pipeline.scheduler
        scheduler, config = type(own).from_config(own.config), own.config
        names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
        given = {name.replace("image_", ""): config[name] for name in names if name in config}
        sigmas = None if config.get("use_flow_sigmas") else np.linspace(1.0, 1 / steps, steps).tolist()
        try:
            mu = calculate_shift(layout_of(latents, 0).tokens, **given)
            shift = {"mu": mu} if config.get("use_dynamic_shifting") else {}
            retrieve_timesteps(scheduler, steps, "cpu", sigmas=sigmas, **shift)
            found = scheduler.sigmas.tolist()
        except (ValueError, TypeError, AttributeError, RuntimeError, AssertionError) as error:
            raise self._no_flow(first_line(error)[:200]) from error
        flow = type(own).__name__.startswith("FlowMatch") or config.get("prediction_type") == "flow_prediction"
        falling = all(s0 > s1 for s0, s1 in pairwise(found))
        if not (flow and falling and len(found) == steps + 1 and found[0] <= 1 and found[-1] == 0):
            raise self._no_flow("its sigmas do not fall from 1 to 0, one for each step")
        return found

    def _no_flow(self, why: str) -> InputError:
        name = type(self.pipeline.scheduler).__name__
        return InputError(
            f"the scheduler of {self.name}, {name}, is not one of a rectified flow ({why}); "
            "use FlowMatchEulerDiscreteScheduler."
        )

    def layout(self, latents: Tensor, condition: Condition) -> TokenLayout:
        """``[text | image]``, both streams in this order at every attention call."""
        return layout_of(latents, condition.embeds.shape[1])

    def forward(self, x: Tensor, sigma: Tensor, condition: Condition, guidance: Tensor) -> Tensor:
        return velocity_of(self.transformer, x, sigma, condition, guidance, self.context)

    def filling(self, latents: Tensor, column: int) -> "FluxFlow":
        """A Fill model as it paints the token columns from ``column`` on of the picture in ``latents``."""
        return replace(self, context=context_right_of(self, latents, column))

    def attention(self) -> dict[str, nn.Module]:
        """Double-stream blocks, then single-stream ones."""
        names = [name.removesuffix(".processor") for name in self.transformer.attn_processors]
        return {name: self.transformer.get_submodule(name) for name in names}

    @contextmanager
    def bypassed(self, layer: int) -> Iterator[None]:
        """Let both streams pass the block of ``layer`` unchanged. Raises ``InputError`` for no such layer."""
        names = list(self.attention())
        check_layers([layer], len(names))
        block = self.transformer.get_submodule(names[layer].removesuffix(".attn"))
        own = block.__dict__.get("forward")  # set by hooks (offloading), which come back afterwards
        skipped = lambda hidden_states, encoder_hidden_states, *_, **__: (encoder_hidden_states, hidden_states)  # noqa: E731
        with self.lock:
            block.forward = skipped
            try:
                yield
            finally:
                if own is None:
                    del block.forward
                else:
                    block.forward = own
