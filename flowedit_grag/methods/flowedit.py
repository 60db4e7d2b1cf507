"""FlowEdit (arXiv:2412.08629): an ODE straight from source to target, with no inversion."""

from dataclasses import dataclass
from itertools import islice, pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..errors import InputError
from ..guidance.classifier_free import GuidedVelocity
from ..injection.share import source_hooks
from ..progress import Progress
from .base import Method
from .inputs import Source, Steps, Targets


@dataclass(frozen=True, kw_only=True)
class FlowEdit(Method):
    """FlowEdit, Algorithm 1.

    Attributes:
        steps: number of sampling steps.
        n_max: the last ``n_max`` steps are made; fewer keep more of the source.
        n_min: of those, the last ``n_min`` are plain sampling with the target prompt.
        n_avg: noise draws averaged in each step.
        source_guidance: guidance scale of the source's velocity.
        target_guidance: guidance scale of the targets'.
        injection: ``"vital"`` gives the targets the source's K and V in the vital layers (not in the paper).
        vital_layers: attention layers for ``control`` and ``injection``; by default the model's own.
        control: strength. FlowEdit injects nothing, so its group is the targets' own image tokens, through which the
            source enters; with ``injection="vital"``, the injected keys.
    """

    steps: int = 28
    n_max: int = 24
    n_min: int = 0
    n_avg: int = 1
    source_guidance: float = 1.5
    target_guidance: float = 5.5
    injection: Literal["none", "vital"] = "none"
    vital_layers: tuple[int, ...] | None = None
    takes_control: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if not self.n_min <= self.n_max <= self.steps or not 1 <= self.n_avg <= 1000:
            given = f"n_min={self.n_min}, n_max={self.n_max}, steps={self.steps}, n_avg={self.n_avg}"
            raise InputError(f"flowedit needs n_min <= n_max <= steps and 1 <= n_avg <= 1000, not {given}.")

    def prepare(self, source: Source) -> Steps:
        """All noise, in draw order: every batch of targets sees the same."""
        yield from ()
        return list(islice(source.noise, (self.n_max - self.n_min) * self.n_avg + (self.n_min > 0)))

    def edit(self, source: Source, prepared: list[Tensor], targets: Targets) -> Steps:
        noise, x = iter(prepared), source.latents
        sigmas = source.flow.schedule(self.steps, x)[self.steps - self.n_max :]
        turn = self.n_max - self.n_min  # where plain sampling begins
        guidance = (self.source_guidance, *(self.target_guidance,) * len(targets))
        v = self.guided(source, targets, guidance, with_source=True)
        v = v.hooked(source_hooks(v, source.layout, targets.controls, self.vital_layers, self.injection == "vital"))
        z = x.expand(len(targets), -1, -1, -1)
        for step, (s0, s1) in enumerate(pairwise(sigmas[: turn + 1]), start=1):
            z = z + (s1 - s0) * self._direction(v, x, z, s0, noise)
            yield Progress("edit", step, self.n_max, z)
        if self.n_min:
            z = z - x + noised(x, next(noise), sigmas[turn])
            v = self.guided(source, targets, guidance[1:], with_source=False)
            for step, (s0, s1) in enumerate(pairwise(sigmas[turn:]), start=turn + 1):
                z = z + (s1 - s0) * v(z, s0)
                yield Progress("edit", step, self.n_max, z)
        return z

    def _direction(self, v: GuidedVelocity, x: Tensor, z: Tensor, sigma: float, noise) -> Tensor:
        """Mean over ``n_avg`` draws of the targets' velocity minus the source's, in one forward call each."""
        total = torch.zeros_like(z)
        for epsilon in islice(noise, self.n_avg):
            z_source = noised(x, epsilon, sigma)
            velocity = v(torch.cat([z_source, z + z_source - x]), sigma)
            total += velocity[1:] - velocity[:1]
        return total / self.n_avg


def noised(x: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """``(1 - sigma) x + sigma noise``."""
    return (1 - sigma) * x + sigma * noise
