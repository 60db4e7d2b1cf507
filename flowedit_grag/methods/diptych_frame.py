"""The frame of a diptych: source on the left, on the right what becomes of it (ICEdit, arXiv:2504.20690, §3.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image
from torch import Tensor

from ..backbone.image import padded
from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from .changes import changed, pasted
from .frame import Frame

PromptStyle = Literal["direct", "in-context", "descriptive"]
DIPTYCH = "A diptych with two side-by-side images of the same scene."
IN_CONTEXT = DIPTYCH + " On the right, the scene is exactly the same as on the left but {instruction}"
DESCRIPTIVE = "A diptych with two side-by-side images. On the left, {source}. On the right, {target}."
TALLEST = 8  # times the width: beyond, memory and not the model decides


@dataclass(frozen=True)
class DiptychFrame(Frame):
    """Two panels of one ``width``. Latents are those of the left one, or where the right one is ``masked``, of the
    whole diptych; the edit is the right one."""

    width: int
    style: PromptStyle
    paste_unedited: bool
    masked: bool

    @property
    def takes_captions(self) -> bool:
        return self.style == "descriptive"

    def prompts(self, source: str, targets: Sequence[str], instructions: Sequence[str]) -> tuple[str, list[str]]:
        """The source's prompt may be left out; the targets' prompts are those of whole diptychs."""
        if self.takes_captions:
            source, captions = super().prompts(source, targets, ())  # an instruction beside them is for a judge
            return source, [
                DESCRIPTIVE.format(source=source.strip(" ."), target=target.strip(" .")) for target in captions
            ]
        if not instructions:
            raise InputError(f"{self.name} takes an instruction: say what should change, as in 'make the star green'.")
        if targets:
            raise InputError(f"{self.name} takes an instruction and no target prompt, unless prompt='descriptive'.")
        return source, [diptych_prompt(instruction, self.style) for instruction in instructions]

    def size(self, flow: ImageFlow, size: tuple[int, int]) -> tuple[int, int]:
        return at_width(size, self.width)

    def encode(self, flow: ImageFlow, image: Image.Image) -> Tensor:
        """The panel ``[1, C, h, w]``, or the source beside a masked panel ``[1, C, h, 2w]``; padded by reflection."""
        panel = padded(image, flow.multiple)
        if not self.masked:
            return flow.encode(panel)
        sheet = side_by_side(panel, panel)
        masked = np.broadcast_to(np.arange(sheet.width) >= sheet.width // 2, (sheet.height, sheet.width))
        return flow.encode(sheet, masked.copy())

    def pair(
        self, flow: ImageFlow, latents: Tensor, size: tuple[int, int], source: Callable[[], Image.Image]
    ) -> tuple[Image.Image, Callable[[], Image.Image]]:
        """The right panel, and the left one: the source as the model draws it beside the edit."""
        sheet, (width, height) = flow.decode(latents), size
        left, right = (sheet.crop((x, 0, x + width, height)) for x in (0, sheet.width // 2))  # without the padding
        return right, lambda: left

    def enlarged(
        self, edit: Image.Image, before: Callable[[], Image.Image], original: Image.Image, detail: bool
    ) -> tuple[Image.Image, float]:
        if self.paste_unedited:
            return pasted(edit, before(), original)
        return super().enlarged(edit, before, original, detail)

    def unchanged(self, edit: Image.Image, before: Image.Image) -> bool:
        return not changed(edit, before).any()


def at_width(size: tuple[int, int], width: int) -> tuple[int, int]:
    """``size = (width, height)`` scaled in proportion to ``width`` pixels.

    Raises :class:`InputError` for what is more than :data:`TALLEST` times as high as wide.
    """
    if size[1] > TALLEST * size[0]:
        raise InputError(f"the image is {size[0]}x{size[1]}; crop it to at most {TALLEST} times its width in height.")
    return width, max(1, round(size[1] * width / size[0]))


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """A diptych of two panels of one size."""
    sheet = Image.new("RGB", (left.width + right.width, left.height))
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width, 0))
    return sheet


def diptych_prompt(instruction: str, style: PromptStyle = "in-context") -> str:
    """The prompt for both panels: ``"direct"`` is the ``instruction`` alone, ``"in-context"`` puts it into a
    description of the diptych. Raises :class:`InputError` for an empty one."""
    if not instruction.strip():
        raise InputError("the instruction is empty; say what should change, as in 'make the star green'.")
    return instruction.strip() if style == "direct" else IN_CONTEXT.format(instruction=instruction.strip())
