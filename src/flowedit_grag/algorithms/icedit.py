"""ICEdit (arXiv:2504.20690): a diptych whose right panel a Fill model paints from an instruction."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from PIL import Image
from torch import Tensor

from ..backbone.fill import filling_right_of
from ..backbone.flow import Flow
from ..backbone.image import padded
from ..errors import InputError
from ..guidance.grag import GRAG, GragKeys
from ..incontext.diptych import at_width, beside_itself, right_panel
from ..incontext.prompts import PromptStyle, diptych_prompt
from ..injection.seam import edited, sites
from .base import Method, Progress, Source, Steps, Targets
from .wanted import Wanted


@dataclass(frozen=True, kw_only=True)
class ICEdit(Method):
    """The source is the left panel, the right one is masked (§3.1). Use it with an adapter (§3.2).

    Works on latents of the whole diptych, as :meth:`encode` makes them, and returns whole diptychs.

    Attributes:
        steps: of the schedule.
        guidance: guidance scale.
        width: of a panel, in pixels: what the adapter was trained at. The image is scaled to it, and the result back.
        prompt: ``"in-context"`` wraps the instruction, ``"direct"`` uses it as it is, ``"descriptive"`` takes captions.
        grag: strength: acts on the keys of the left panel, in every layer and step.
    """

    steps: int = 50
    guidance: float = 50.0
    width: int = 512
    prompt: PromptStyle = "in-context"
    grag: GRAG | None = None
    fills: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if self.steps < 1 or self.width < 1:
            raise InputError(f"icedit needs steps and width from 1 on, not {self.steps} and {self.width}.")

    def prompts(self, wanted: Wanted) -> tuple[str, list[str]]:
        """No prompt describes the source; the targets' prompts are those of whole diptychs."""
        if self.prompt == "descriptive":
            source, targets = wanted.captions("icedit with prompt='descriptive'")
            return "", [diptych_prompt("", "descriptive", source=source, target=target) for target in targets]
        if not wanted.instructions:
            raise InputError("icedit takes an instruction: say what should change, as in 'make the star green'.")
        return "", [diptych_prompt(instruction, self.prompt) for instruction in wanted.instructions]

    def fitted(self, flow: Flow, image: Image.Image) -> Image.Image:
        return at_width(image, self.width)

    def encode(self, flow: Flow, image: Image.Image) -> Tensor:
        """The source beside a masked panel; both sides padded by reflection."""
        sheet = beside_itself(padded(image, flow.multiple))
        masked = np.broadcast_to(np.arange(sheet.width) >= sheet.width // 2, (sheet.height, sheet.width))
        return flow.encode(sheet, masked.copy())

    def decode(self, flow: Flow, latents: Tensor, size: tuple[int, int]) -> Image.Image:
        """The right panel."""
        return right_panel(flow.decode(latents), size)

    def prepare(self, source: Source) -> Steps:
        """Noise for the diptych, shared by the targets."""
        return next(source.noise)
        yield

    def edit(self, source: Source, prepared: Tensor, targets: Targets) -> Steps:
        middle = source.layout.width // 2
        flow = filling_right_of(source.flow, source.latents, middle)
        guidance = (self.guidance,) * len(targets)
        v = self.guided(replace(source, flow=flow), targets, guidance, with_source=False)
        x = prepared.expand(len(targets), -1, -1, -1)
        keys = GragKeys(source.layout.columns(0, middle), *_strengths(targets, v.rows))
        layers = range(len(sites(flow.transformer))) if any(not s.at_rest for s in keys.strengths) else ()
        with edited(flow.transformer, dict.fromkeys(layers, keys)):
            for step, (s0, s1) in enumerate(pairwise(flow.schedule(self.steps, x)), start=1):
                x = x + (s1 - s0) * v(x, s0)
                yield Progress("edit", step, self.steps, x)
        return x


def _strengths(targets: Targets, rows: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[GRAG, ...]]:
    """Every row of the batch, and the strength of its target."""
    return tuple(range(len(rows))), tuple(targets.grag[row] or GRAG() for row in rows)
