"""DirectEdit (arXiv:2605.02417): the way back sees the latents that the inversion saw, and so ends at the source."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from ..errors import InputError
from ..inversion.solvers.ddim import ddim
from ..progress import Progress
from .base import Method
from .inputs import Source, Steps, Targets, inverted


@dataclass(frozen=True, kw_only=True)
class DirectEdit(Method):
    """Invert to ``path`` with ``ddim``, then ``x += dsigma * v(x + path[i + 1] - path[i], sigma_i)`` in step i.

    So the source itself is evaluated at ``path[i + 1]``, as in the inversion, and comes back exactly.

    Attributes:
        steps, skip_steps: sampling steps each way; of these, the noisiest that are left out (more keep more).
        inject_steps, value_layers: first steps, and layers (or else the model's own), with the source's whole V.
        inversion_guidance, guidance: guidance scales of the source, and of the edits.
    """

    steps: int = 30
    skip_steps: int = 0
    inject_steps: int = 4
    value_layers: tuple[int, ...] | None = None
    inversion_guidance: float = 1.0
    guidance: float = 2.0
    prepared_by = ("steps", "skip_steps", "inversion_guidance")

    def __post_init__(self):
        super().__post_init__()
        if self.skip_steps >= self.steps:
            raise InputError(f"direct-edit needs skip_steps < steps, not {self.skip_steps} of {self.steps}.")

    def prepare(self, source: Source) -> Steps:
        """The source's path, noise first: a latent for each sigma from the noisiest that is not skipped."""
        v = source.flow.velocity(source.condition, self.inversion_guidance)
        sigmas = source.flow.schedule(self.steps, source.latents)[self.skip_steps :]
        return (yield from inverted(v, source.latents, sigmas, ddim))

    def edit(self, source: Source, prepared: list[torch.Tensor], targets: Targets) -> Steps:
        scales = (self.inversion_guidance, *(self.guidance,) * len(targets))
        flow: Any = source.flow
        layers = flow.value_layers if self.value_layers is None else self.value_layers
        source_v = lambda q, k, v: (q, k, v[:1].expand_as(v).contiguous())  # noqa: E731
        beside = self.guided(source, targets, scales, True).hooked(dict.fromkeys(layers, source_v))
        alone = self.guided(source, targets, scales[1:], False)
        sigmas = flow.schedule(self.steps, source.latents)[self.skip_steps :]
        x = prepared[0].expand(len(targets), -1, -1, -1)
        for step, ((s0, s1), (here, seen)) in enumerate(zip(pairwise(sigmas), pairwise(prepared), strict=True)):
            at = seen + (x - here)
            x = x + (s1 - s0) * (beside(torch.cat([seen, at]), s0)[1:] if step < self.inject_steps else alone(at, s0))
            yield Progress("edit", step + 1, len(sigmas) - 1, x)
        return x
