"""SDEdit (arXiv:2108.01073), the baseline without a source branch: noise the image, denoise with the target."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from ..errors import InputError
from ..progress import Progress
from .base import Method
from .flowedit import noised
from .inputs import Source, Steps, Targets
from .strength import Calibration


@dataclass(frozen=True, kw_only=True)
class SDEdit(Method):
    """Start at the noise level ``start`` of the way up the schedule.

    Attributes:
        steps: number of sampling steps of the whole schedule.
        start: part of the steps that are made; 0 is the source itself, 1 regenerates the image from noise alone.
        guidance: guidance scale.
    """

    steps: int = 28
    start: float = 0.7
    guidance: float = 3.5
    source_beside: ClassVar[bool] = False
    turned: ClassVar[Calibration] = Calibration(option="start", values=(0.0, 1.0))
    renamed: ClassVar[dict[str, str]] = {"strength": "start"}

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.start <= 1 or self.steps < 1:
            raise InputError(f"sdedit needs 0 <= start <= 1 and steps from 1 on, not {self.start} and {self.steps}.")

    def prepare(self, source: Source) -> Steps:
        """One noise sample, shared by the targets."""
        yield from ()
        return next(source.noise)

    def edit(self, source: Source, prepared: Tensor, targets: Targets) -> Steps:
        made = max(1, round(self.start * self.steps)) if self.start else 0
        sigmas = source.flow.schedule(self.steps, source.latents)[self.steps - made :]
        x = noised(source.latents, prepared, sigmas[0]).expand(len(targets), -1, -1, -1)
        v = self.guided(source, targets, (self.guidance,) * len(targets), with_source=False)
        for step, (s0, s1) in enumerate(pairwise(sigmas), start=1):
            x = x + (s1 - s0) * v(x, s0)
            yield Progress("edit", step, made, x)
        return x
