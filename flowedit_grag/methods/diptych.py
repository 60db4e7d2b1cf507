"""What the methods have in common that edit by painting the right panel of a diptych (arXiv:2504.20690, §3.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from ..backbone.flow import Flow
from ..backbone.image import padded, resized
from ..backbone.sequence import TokenLayout
from ..errors import InputError
from ..guidance.control import ControlledGroup
from ..inversion import Velocity
from ..progress import Progress
from .base import Method
from .inputs import Source, Steps, Targets
from .panels import at_width, panels
from .paste import pasted
from .prompts import PromptStyle, diptych_prompt


@dataclass(frozen=True, kw_only=True)
class DiptychMethod(Method):
    """The work is split so that an early filter can try seeds: :meth:`context` is what depends on the source alone,
    :meth:`start` the noise of one seed, :meth:`sample` any part of the way from there. These work on latents of the
    whole diptych, ``[B, C, h, 2w]``. What a source's latents are, :meth:`encode` says: the panel alone, or for a Fill
    model, which has to see a mask, the whole diptych.

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

    @property
    def takes_captions(self) -> bool:
        return self.prompt == "descriptive"

    def prompts(self, source: str, targets: Sequence[str], instructions: Sequence[str]) -> tuple[str, list[str]]:
        """The source's prompt may be left out; the targets' prompts are those of whole diptychs."""
        if self.takes_captions:
            source, captions = super().prompts(source, targets, ())  # an instruction beside them is for a judge
            return source, [diptych_prompt("", "descriptive", source=source, target=target) for target in captions]
        name = type(self).__name__
        if not instructions:
            raise InputError(f"{name} takes an instruction: say what should change, as in 'make the star green'.")
        if targets:
            raise InputError(f"{name} takes an instruction and no target prompt, unless prompt='descriptive'.")
        return source, [diptych_prompt(instruction, self.prompt) for instruction in instructions]

    def size(self, flow: Flow, size: tuple[int, int]) -> tuple[int, int]:
        return at_width(size, self.width)

    def encode(self, flow: Flow, image: Image.Image) -> Tensor:
        """The panel ``[1, C, h, w]``, padded by reflection however small it is."""
        return flow.encode(padded(image, flow.multiple))

    def decode(self, flow: Flow, latents: Tensor, original: Image.Image) -> Image.Image:
        """The right panel at the size of ``original``."""
        left, right = panels(flow.decode(latents), self.size(flow, original.size))
        if self.paste_unedited:
            return pasted(right, left, original)
        return resized(right, original.size)

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
        """The controls on the left panel, in the ``rows`` of a batch, each the row of a target."""
        controls = tuple(targets.controls[row] for row in rows)
        return ControlledGroup(layout.columns(0, layout.width // 2), tuple(range(len(rows))), controls, layout.text)


def denoised(v: Velocity, x: Tensor, sigmas: list[float]) -> Steps:
    """Euler steps from the first of ``sigmas`` to the last, with an estimate of the result after each."""
    for step, (s0, s1) in enumerate(pairwise(sigmas), start=1):
        velocity = v(x, s0)
        x = x + (s1 - s0) * velocity
        yield Progress("edit", step, len(sigmas) - 1, x, clean=x - s1 * velocity)
    return x


def beside(left: Tensor, right: Tensor) -> Tensor:
    """The latents of a diptych; positions continue to the right."""
    return torch.cat([left, right], dim=-1)
