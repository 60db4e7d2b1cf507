"""What the methods have in common that see an edit's latents under the source's prompt too."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..backbone.flow import Condition
from ..guidance.classifier_free import GuidedVelocity
from .base import Method
from .flowedit import noised
from .inputs import Source, Targets


@dataclass(frozen=True, kw_only=True)
class TwoPromptsMethod(Method):
    """One forward call a noise draw, of ``1 + 2 * targets`` rows: ``true_cfg`` acts on the targets' prompts alone."""

    def targets_at_once(self, source: Source) -> int:
        rows = source.flow.rows_that_fit(self.canvas(source)) - 1
        return max(1, rows // (2 if self.true_cfg == 1 else 3))

    def two_prompts(self, source: Source, targets: Targets, guidance: float, target_guidance: float) -> "TwoPrompts":
        """The velocities of a batch, with a distilled guidance scale for the source's prompt and for the targets'."""
        count = len(targets)
        condition = Condition.cat([*[source.condition] * (1 + count), targets.condition])
        scales = (1.0,) * (1 + count) + (float(self.true_cfg),) * count
        guided = (guidance,) * (1 + count) + (target_guidance,) * count
        return TwoPrompts(GuidedVelocity(source.flow, condition, guided, scales, source.negative), source.latents)


@dataclass(frozen=True)
class TwoPrompts:
    """Of the source x and edits z: ``q = (1 - sigma) x + sigma noise``, ``p = z + q - x``, and their velocities."""

    velocity: GuidedVelocity
    x: Tensor

    def __call__(self, z: Tensor, noise: Tensor, sigma: float) -> tuple[Tensor, ...]:
        """``q, p, v(q, source), v(p, source), v(p, target)``: one row of q, and of p one for each row of z."""
        q = noised(self.x, noise, sigma)
        p = z + q - self.x
        return q, p, *self.velocity(torch.cat([q, p, p]), sigma).split([1, len(z), len(z)])
