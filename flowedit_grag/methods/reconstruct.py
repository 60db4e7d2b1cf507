"""Inversion and back with the source prompt: what a solver loses before anything is edited."""

from dataclasses import dataclass

from torch import Tensor

from ..guidance.classifier_free import GuidedVelocity
from ..inversion import Solver, Velocity, trajectory
from ..inversion.rf_inversion import controlled
from ..progress import Progress
from .base import Method
from .inputs import Source, Steps, Targets, inverted


@dataclass(frozen=True, kw_only=True)
class Reconstruct(Method):
    """Invert and sample with the source prompt; targets only say how many copies to return.

    Attributes:
        steps: number of sampling steps, each way.
        solver: inverts, and samples back.
        guidance: guidance scale, both ways.
        gamma: RF-Inversion's pull towards a noise sample while inverting (arXiv:2410.10792).
        eta: its pull towards the image while sampling; 0 and 0 are the plain ODE.
    """

    steps: int = 28
    solver: Solver = Solver.of("midpoint")
    guidance: float = 1.0
    gamma: float = 0.0
    eta: float = 0.0

    def prepare(self, source: Source) -> Steps:
        """The source's noise."""
        v = self._velocity(source)
        if self.gamma:
            v = controlled(v, next(source.noise), self.gamma, sigma_end=1.0)
        sigmas = source.flow.schedule(self.steps, source.latents)
        path = yield from inverted(v, source.latents, sigmas, self.solver)
        return path[0]

    def edit(self, source: Source, prepared: Tensor, targets: Targets) -> Steps:
        v = self._velocity(source)
        if self.eta:
            v = controlled(v, source.latents, self.eta)
        sigmas = source.flow.schedule(self.steps, source.latents)
        x = prepared
        for step, x in enumerate(trajectory(v, prepared, sigmas, self.solver.reverse), start=1):
            yield Progress("edit", step, self.steps, x)
        return x.expand(len(targets), -1, -1, -1)

    def _velocity(self, source: Source) -> Velocity:
        scales = (float(self.true_cfg),)
        return GuidedVelocity(source.flow, source.condition, (self.guidance,), scales, source.negative)
