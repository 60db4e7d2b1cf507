"""Stable Flow (arXiv:2411.14430): invert, then regenerate beside the source with its keys and values."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..backbone.flow import Condition
from ..errors import InputError
from ..guidance.classifier_free import GuidedVelocity
from ..injection.share import source_hooks, vital_layers
from ..inversion.solver import Solver
from ..progress import Progress
from .base import Method
from .inputs import Source, Steps, Targets, inverted


@dataclass(frozen=True, kw_only=True)
class StableFlow(Method):
    """Invert, then regenerate beside the source, sharing its K and V on the image tokens of the vital layers.

    Attributes:
        steps: number of sampling steps, each way.
        solver: inverts, and samples back (``ddim`` samples with Euler).
        inversion_guidance: guidance scale of the source, inverted and beside the edits.
        guidance: guidance scale of the edits.
        nudge: the latents are scaled by this before inversion (latent nudging, §3.3) and scaled back at the end.
        vital_layers: attention layers where K and V are shared; by default the model's own.
        control: strength: acts on the injected source keys.
        source_alignment: ``"aligned"`` keeps the source row on its inverted path. ``"published"`` reproduces the
            published script, whose row lags two steps behind, and whose nudging is never undone.
    """

    steps: int = 50
    solver: Solver = Solver.of("ddim")
    inversion_guidance: float = 1.0
    guidance: float = 3.0
    nudge: float = 1.15
    vital_layers: tuple[int, ...] | None = None
    source_alignment: Literal["aligned", "published"] = "aligned"
    takes_control: ClassVar[bool] = True
    prepared_by: ClassVar[tuple[str, ...]] = ("steps", "solver", "inversion_guidance", "nudge")  # the options it reads

    def __post_init__(self):
        super().__post_init__()
        if self.steps < 1 or self.nudge == 0:
            raise InputError(f"stableflow needs steps and nudge above 0, not {self.steps} and {self.nudge}.")

    def prepare(self, source: Source) -> Steps:
        """The source's path, noise first: a latent for each sigma."""
        vital_layers(self.vital_layers, source.flow)  # complains before the long inversion, not after it
        v = source.flow.velocity(source.condition, self.inversion_guidance)
        sigmas = source.flow.schedule(self.steps, source.latents)
        return (yield from inverted(v, source.latents * self.nudge, sigmas, self.solver))

    def edit(self, source: Source, prepared: list[Tensor], targets: Targets) -> Steps:
        v = self.guided(source, targets, (self.inversion_guidance, *(self.guidance,) * len(targets)), with_source=True)
        aligned = self.source_alignment == "aligned"
        rows = yield from self._sample(source, prepared[0], targets, v, prepared if aligned else lagging(prepared))
        return rows[1:] / (self.nudge if aligned else 1)

    def generate(self, source: Source, targets: Targets) -> Steps:
        """Edit a generated image: source and targets from the same noise and with the same guidance.

        Returns ``[1 + targets, C, h, w]``, the source first.
        """
        every = Targets(Condition.cat([source.condition, targets.condition]), (None, *targets.controls))
        v = self.guided(source, every, (self.guidance,) * len(every), with_source=False)
        return (yield from self._sample(source, next(source.noise), targets, v))

    def _sample(
        self, source: Source, start: Tensor, targets: Targets, v: GuidedVelocity, path: list[Tensor] | None = None
    ) -> Steps:  # fmt: skip
        """Integrate source and targets from ``start``; the source is put on its ``path`` after each step."""
        v = v.hooked(source_hooks(v, source.layout, targets.controls, self.vital_layers))
        x, memo = start.expand(1 + len(targets), -1, -1, -1), None
        for step, (s0, s1) in enumerate(pairwise(source.flow.schedule(self.steps, source.latents)), start=1):
            x, memo = self.solver.reverse.step(v, x, s0, s1, memo)
            if path is not None:
                x = torch.cat([path[step], x[1:]])
            yield Progress("edit", step, self.steps, x)
        return x


def lagging(path: list[Tensor]) -> list[Tensor]:
    """The published script's path of the source row: its list runs clean to noisy without the clean image, and is read
    at ``[-i]`` after step i = 0, 1, ..."""
    return [path[0], path[-2], *path[:-2]]
