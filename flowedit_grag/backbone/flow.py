"""What methods know of a model: a velocity field over latent images, whatever its family of transformers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn

from ..inversion.solver import Velocity
from .attention_hook import HooksAt, hooked
from .profile import Profile
from .sequence import Condition, TokenLayout


@dataclass
class Cost:
    """Transformer work so far: forward calls, and evaluations (calls x batch rows: NFE)."""

    calls: int = 0
    nfe: int = 0


@dataclass
class Flow(ABC):
    """A diffusers pipeline as editing sees it. ``backbone/families/`` has a subclass for each family.

    Latents are images ``[B, C, h, w]``, float32 whatever the network's dtype: only the calls into the networks cast.
    The pipeline is used as it is, with whatever offload, quantisation, LoRA, compilation or attention backend it has.
    """

    pipeline: Any  # its attributes are dynamic
    profile: Profile = field(default_factory=Profile)
    name: str = ""
    loading: Mapping[str, Any] = field(default_factory=dict)  # what load() was asked for, besides the model
    memory_budget: int = 2**62  # bytes of activations in one forward call; load() says what the device has
    context: Tensor | None = None  # [1, tokens, C]: what a Fill model sees beside the noisy tokens
    cost: Cost = field(default_factory=Cost)

    fills: ClassVar[bool | property] = False  # whether it is a Fill model, which paints what a mask hides
    processors: ClassVar[Mapping[type, type]] = {}  # diffusers' attention processors, and ours that apply a hook

    @property
    def transformer(self) -> Any:
        """The pipeline's transformer."""
        return self.pipeline.transformer

    @property
    def device(self) -> torch.device:
        """Where tensors are made and networks run."""
        return self.pipeline._execution_device

    @property
    def layers(self) -> int:
        """How many attention layers there are."""
        return len(self.attention())

    def velocity(
        self, condition: Condition, guidance: float | Sequence[float] = 1.0, hooks: HooksAt | None = None
    ) -> Velocity:
        """``v(x, sigma)`` for x ``[B, C, h, w]``, a row for each row of ``condition``.

        Args:
            guidance: distilled guidance scale, one or one a row; models without its embedding ignore it.
            hooks: by layer, what happens at attention calls, or a function of sigma that says so; installed for the
                length of one forward call.
        """
        transformer, dtype, device, batch = self.transformer, self.transformer.dtype, self.device, len(condition)
        placed = Condition(condition.embeds.to(device, dtype), condition.pooled.to(device, dtype))
        scales = torch.as_tensor(guidance, device=device, dtype=dtype).expand(batch)
        layers = self.attention() if hooks else {}

        @torch.no_grad()
        def v(x: Tensor, sigma: float) -> Tensor:
            if len(x) != batch:
                raise ValueError(f"{len(x)} latents for {batch} prompts")
            self.cost.calls += 1
            self.cost.nfe += batch
            sigmas = torch.full((batch,), sigma, device=device, dtype=dtype)
            now = (hooks(sigma) if callable(hooks) else hooks) or {}
            with hooked(transformer, layers, now, self.processors), transformer.cache_context("flow"):
                return self.forward(x.to(device), sigmas, placed, scales).to(x)

        return v

    # ---- what a family says ----------------------------------------------------------------------------------

    @abstractmethod
    def forward(self, x: Tensor, sigma: Tensor, condition: Condition, guidance: Tensor) -> Tensor:
        """One call of the transformer: the velocity ``[B, C, h, w]`` at ``sigma`` ``[B]`` with ``guidance`` ``[B]``."""

    @abstractmethod
    def schedule(self, steps: int, latents: Tensor) -> list[float]:
        """The pipeline scheduler's ``steps + 1`` descending sigmas for ``latents``, the last one 0."""

    @abstractmethod
    def layout(self, latents: Tensor, condition: Condition) -> TokenLayout:
        """Which tokens of the joint sequence are text and which are image."""

    def filling(self, latents: Tensor, column: int) -> "Flow":
        """A Fill model as it paints the token columns from ``column`` on of the picture in ``latents``."""
        raise NotImplementedError(f"{self.name} is no Fill model")

    @abstractmethod
    def attention(self) -> dict[str, nn.Module]:
        """The attention layers by module name, in the order they run."""

    @abstractmethod
    def bypassed(self, layer: int) -> AbstractContextManager[None]:
        """Inside the block, the transformer block of attention ``layer`` leaves only its residual stream."""

    @abstractmethod
    def rows_that_fit(self, layout: TokenLayout) -> int:
        """Batch rows that the memory budget holds, at least 1."""

    @property
    @abstractmethod
    def multiple(self) -> int:
        """Pixels that image sides are padded to a multiple of."""

    @property
    @abstractmethod
    def side(self) -> int:
        """Pixels on a side of the square that the model is made for."""

    @abstractmethod
    def fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """``size = (width, height)`` scaled down in proportion to the model's area."""

    @abstractmethod
    def encode(self, image: Any, masked: Any = None) -> Tensor:
        """An image as latents ``[1, C, h, w]``; pixels that are ``masked`` ``[H, W]`` bool are shown as mid-grey."""

    @abstractmethod
    def decode(self, latents: Tensor, size: tuple[int, int] | None = None) -> Image.Image:
        """Latents ``[1, C, h, w]`` as an image of ``size = (width, height)``, by default all of it."""

    @abstractmethod
    def condition(self, prompt: str | Sequence[str], length: int | None = None) -> Condition:
        """Prompts as a :class:`Condition` with a row each, of ``length`` tokens."""
