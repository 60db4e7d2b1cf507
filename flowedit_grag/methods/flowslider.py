"""FlowSlider (arXiv:2604.02088): FlowEdit's update in two parts, of which one is scaled."""

from dataclasses import dataclass
from itertools import islice, pairwise
from typing import ClassVar

import torch

from ..errors import InputError
from ..progress import Progress
from .inputs import Source, Steps, Targets
from .strength import Calibration
from .two_prompts import TwoPromptsMethod


@dataclass(frozen=True, kw_only=True)
class FlowSlider(TwoPromptsMethod):
    """FlowEdit with a dial of its own.

    With x the source, z the edit, ``q = (1 - sigma) x + sigma noise`` and ``p = z + q - x``:
    ``z += dsigma * ((v(p, source) - v(q, source)) + scale * (v(p, target) - v(p, source)))``, the first difference
    keeping to the source, the second steering to the target. The formula is our reading of the paper's abstract.

    Attributes:
        steps: number of sampling steps.
        n_max: the last ``n_max`` steps are made; fewer keep more of the source.
        n_avg: noise draws averaged in each step.
        source_guidance: guidance scale under the source's prompt.
        target_guidance: guidance scale under the targets'.
        scale: strength of the steering: 0 is the source itself, 1 is FlowEdit, and it may be larger.
    """

    steps: int = 28
    n_max: int = 24
    n_avg: int = 1
    source_guidance: float = 1.5
    target_guidance: float = 5.5
    scale: float = 1.0
    turned: ClassVar[Calibration] = Calibration(option="scale", values=(0.0, 2.0))

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.n_max <= self.steps or self.n_avg < 1:
            given = f"n_max={self.n_max}, steps={self.steps}, n_avg={self.n_avg}"
            raise InputError(f"flowslider needs 1 <= n_max <= steps and n_avg >= 1, not {given}.")

    def prepare(self, source: Source) -> Steps:
        """All noise, in draw order: every batch of targets sees the same."""
        yield from ()
        return list(islice(source.noise, self.n_max * self.n_avg))

    def edit(self, source: Source, prepared: list[torch.Tensor], targets: Targets) -> Steps:
        noise, v = iter(prepared), self.two_prompts(source, targets, self.source_guidance, self.target_guidance)
        z = source.latents.expand(len(targets), -1, -1, -1)
        sigmas = source.flow.schedule(self.steps, z)[self.steps - self.n_max :]
        for step, (s0, s1) in enumerate(pairwise(sigmas), start=1):
            total = torch.zeros_like(z)
            for epsilon in islice(noise, self.n_avg):
                _, _, v_q, kept, edited = v(z, epsilon, s0)
                total += (kept - v_q) + self.scale * (edited - kept)
            z = z + (s1 - s0) * total / self.n_avg
            yield Progress("edit", step, self.n_max, z)
        return z
