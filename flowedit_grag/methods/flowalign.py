"""FlowAlign (arXiv:2505.23145): an ODE from source to target that is pulled towards the source's clean image."""

from dataclasses import dataclass
from itertools import islice, pairwise
from typing import ClassVar

from torch import Tensor

from ..errors import InputError
from ..progress import Progress
from .inputs import Source, Steps, Targets
from .strength import Calibration
from .two_prompts import TwoPromptsMethod


@dataclass(frozen=True, kw_only=True)
class FlowAlign(TwoPromptsMethod):
    """FlowAlign, as published for SD3.

    With x the source, z the edit, ``q = (1 - sigma) x + sigma noise`` and ``p = z + q - x``:
    ``v_q = v(q, source)``, ``v_p = v(p, source) + omega * (v(p, target) - v(p, source))``,
    ``z += dsigma * (v_p - v_q) + zeta * ((q - sigma v_q) - (p - sigma v_p))``: the last term pulls the clean image that
    the edit is heading for towards the source's.

    Attributes:
        steps: number of sampling steps; all are made.
        omega: strength of the target's prompt over the source's; 0 is the source itself.
        zeta: the pull towards the source in each step.
        guidance: guidance scale of all velocities, for models with an embedding of it.
    """

    steps: int = 33
    omega: float = 7.5
    zeta: float = 0.01
    guidance: float = 1.0
    turned: ClassVar[Calibration] = Calibration(option="omega", values=(0.0, 7.5))

    def __post_init__(self):
        super().__post_init__()
        if self.steps < 1:
            raise InputError(f"flowalign needs steps from 1 on, not {self.steps}.")

    def prepare(self, source: Source) -> Steps:
        """All noise, in draw order: every batch of targets sees the same."""
        yield from ()
        return list(islice(source.noise, self.steps))

    def edit(self, source: Source, prepared: list[Tensor], targets: Targets) -> Steps:
        v = self.two_prompts(source, targets, self.guidance, self.guidance)
        z = source.latents.expand(len(targets), -1, -1, -1)
        intervals = pairwise(source.flow.schedule(self.steps, z))
        for step, ((s0, s1), noise) in enumerate(zip(intervals, prepared, strict=True), start=1):
            q, p, v_q, kept, edited = v(z, noise, s0)
            v_p = kept + self.omega * (edited - kept)
            z = z + (s1 - s0) * (v_p - v_q) + self.zeta * ((q - s0 * v_q) - (p - s0 * v_p))
            yield Progress("edit", step, self.steps, z)
        return z
