"""What methods know of a model: a velocity field over latent images, whatever its family of transformers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, ClassVar
from uuid import uuid4
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..inversion.solver import Velocity
from .attention_hook import HooksAt, hooked

LOCKS: WeakKeyDictionary[Any, RLock] = WeakKeyDictionary()  # by transformer: flows may share one


@dataclass(frozen=True)
class Condition:
    """What the text encoders make of prompts, a row each: ``embeds`` ``[B, T, D]``, ``pooled`` ``[B, P]``."""

    embeds: Tensor
    pooled: Tensor

    def __post_init__(self):
        if self.embeds.ndim != 3 or self.pooled.ndim != 2 or len(self.embeds) != len(self.pooled):
            shapes = f"{list(self.embeds.shape)} and {list(self.pooled.shape)}"
            raise InputError(f"a Condition takes embeds [B, T, D] and pooled [B, P] with the same B, not {shapes}.")

    def __len__(self) -> int:
        return len(self.embeds)

    def __getitem__(self, rows: int | slice | Sequence[int]) -> "Condition":
        """The given rows, as a Condition (an int gives one row)."""
        chosen = [rows] if isinstance(rows, int) else rows
        return Condition(self.embeds[chosen], self.pooled[chosen])

    @classmethod
    def cat(cls, conditions: Sequence["Condition"]) -> "Condition":
        """All rows of all ``conditions``. Raises :class:`InputError` where text lengths differ."""
        lengths = {condition.embeds.shape[1] for condition in conditions}
        if len(lengths) > 1:
            raise InputError(f"prompts of one batch need one text length, not {sorted(lengths)}; encode them alike.")
        return cls(torch.cat([c.embeds for c in conditions]), torch.cat([c.pooled for c in conditions]))


@dataclass(frozen=True)
class TokenLayout:
    """The joint sequence ``[text | image]``; the image part is a ``height x width`` grid, row by row."""

    text: int
    height: int
    width: int

    @property
    def tokens(self) -> int:
        """Number of image tokens."""
        return self.height * self.width

    @property
    def image(self) -> slice:
        """Where the image tokens are."""
        return slice(self.text, self.text + self.tokens)


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
    name: str = ""
    cost: Cost = field(default_factory=Cost)
    fills: bool = False  # whether it is a Fill model, which paints what a mask hides
    vital_layers: tuple[int, ...] | None = None  # that matter most to an image (Stable Flow, §3), where they are known
    processors: ClassVar[Mapping[Any, Any]] = {}  # diffusers' attention processors, and ours that apply a hook

    @property
    def transformer(self) -> Any:
        """The pipeline's transformer."""
        return self.pipeline.transformer

    @property
    def lock(self) -> RLock:
        """Held while the pipeline's networks run: one call at a time, whichever thread or editor it comes from."""
        return LOCKS.setdefault(self.transformer, RLock())

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

        ``guidance`` is the distilled scale, one or one a row (models without its embedding ignore it); ``hooks`` say by
        layer, or by sigma and layer, what happens at attention calls. Raises :class:`InputError` under a step cache.
        """
        transformer, device, batch = self.transformer, self.device, len(condition)
        scales = torch.as_tensor(guidance, device=device, dtype=transformer.dtype).expand(batch)
        layers, name = self.attention() if hooks else {}, f"velocity {uuid4()}"
        if hooks and getattr(transformer, "is_cache_enabled", False):
            raise InputError("a step cache would skip the attention hooks; call disable_cache() on the transformer.")

        @torch.no_grad()
        def v(x: Tensor, sigma: float) -> Tensor:
            if len(x) != batch:
                raise ValueError(f"{len(x)} latents for {batch} prompts")
            self.cost.calls += 1
            self.cost.nfe += batch
            now = (hooks(sigma) if callable(hooks) else hooks) or {}
            with self.lock, hooked(layers, now, self.processors), transformer.cache_context(name):
                return self.forward(x.to(device), scales.new_full((batch,), sigma), condition, scales).to(x)

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

    @abstractmethod
    def attention(self) -> dict[str, nn.Module]:
        """The attention layers by module name, in the order they run."""

    @abstractmethod
    def rows_that_fit(self, layout: TokenLayout) -> int:
        """Batch rows that the memory budget holds, at least 1."""

    @abstractmethod
    def condition(self, prompt: str | Sequence[str], length: int | None = None) -> Condition:
        """Prompts as a :class:`Condition` with a row each, of ``length`` tokens."""
