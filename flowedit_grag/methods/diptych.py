"""What the methods have in common that edit by painting the right panel of a diptych (arXiv:2504.20690, §3.1)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..backbone.flow import TokenLayout
from ..errors import InputError
from ..guidance.control import ControlledGroup
from ..inversion import Velocity
from ..progress import Progress
from .base import Method
from .diptych_frame import DiptychFrame, PromptStyle
from .inputs import Source, Steps, Targets


@dataclass(frozen=True, kw_only=True)
class DiptychMethod(Method):
    """The work is split so that an early filter can try seeds: :meth:`context` is what depends on the source alone,
    :meth:`start` the noise of one seed, :meth:`sample` any part of the way from there. These work on latents of the
    whole diptych, ``[B, C, h, 2w]``; a source's latents are those of its :meth:`frame`.

    Attributes:
        steps: number of sampling steps.
        guidance: guidance scale.
        width: of a panel, in pixels: what the adapter was trained at. The image is scaled to it, and the result back.
        prompt: ``"in-context"`` wraps the instruction, ``"direct"`` uses it as it is, ``"descriptive"`` takes captions
            (and an instruction only for the judge of an early filter).
        paste_unedited: put the source's own pixels back where nothing changed.
        control: strength: acts on the left panel's keys, in every step and layer where source features enter.
    """

    steps: int = 50
    guidance: float = 50.0
    width: int = 512
    prompt: PromptStyle = "in-context"
    paste_unedited: bool = False
    source_beside: ClassVar[bool] = False
    takes_control: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if self.steps < 1 or self.width < 1:
            name = type(self).__name__
            raise InputError(f"{name} needs steps and width from 1 on, not {self.steps} and {self.width}.")

    def frame(self) -> DiptychFrame:
        name = type(self).__name__
        return DiptychFrame(name, self.width, self.prompt, self.paste_unedited, masked=self.fills)

    def prepare(self, source: Source) -> Steps:
        context = yield from self.context(source)
        return context, self.start(source, context)

    def edit(self, source: Source, prepared: tuple[Any, Tensor], targets: Targets) -> Steps:
        context, noise = prepared
        sigmas = source.flow.schedule(self.steps, noise)
        return (yield from self.sample(source, context, noise.expand(len(targets), -1, -1, -1), targets, sigmas))

    def context(self, source: Source) -> Steps:
        """What every seed and target share."""
        yield from ()

    def start(self, source: Source, context: Any) -> Tensor:
        """The noise ``[1, C, h, 2w]`` that a diptych begins as; drawn from the source's noise."""
        raise NotImplementedError

    def sample(self, source: Source, context: Any, x: Tensor, targets: Targets, sigmas: list[float]) -> Steps:
        """Take the diptychs ``x`` ``[targets, C, h, 2w]`` along ``sigmas``."""
        raise NotImplementedError

    def left(self, layout: TokenLayout, targets: Targets, rows: tuple[int, ...]) -> ControlledGroup:
        """The controls on the left panel, in a batch with the given ``rows`` of the targets."""
        grid = torch.arange(layout.tokens).view(layout.height, layout.width)
        tokens = layout.text + grid[:, : layout.width // 2].flatten()  # strided in the sequence
        return ControlledGroup(tokens, tuple(targets.controls[row] for row in rows), layout.text)


def denoised(v: Velocity, x: Tensor, sigmas: list[float]) -> Steps:
    """Euler steps from the first of ``sigmas`` to the last, with an estimate of the result after each."""
    for step, (s0, s1) in enumerate(pairwise(sigmas), start=1):
        velocity = v(x, s0)
        x = x + (s1 - s0) * velocity
        yield Progress("edit", step, len(sigmas) - 1, x, clean=x - s1 * velocity)
    return x
