"""How a person's image and words become what a method works on, and back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..backbone.image import resized
from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from .base import Method
from .changes import with_detail


@dataclass(frozen=True)
class Frame:
    """The image as it is, no larger than the model's area, and captions of it. A method may have another one."""

    name: str  # of the method, for errors

    @property
    def takes_captions(self) -> bool:
        """Whether the method is told captions, and not an instruction."""
        return True

    def prompts(self, source: str, targets: Sequence[str], instructions: Sequence[str]) -> tuple[str, list[str]]:
        """The prompts of the source and of every target. Raises :class:`InputError` where they were not said."""
        if not source or not targets:
            raise InputError(f"{self.name} takes a source and a target prompt: the image as it is and as it should be.")
        if instructions:
            raise InputError(f"{self.name} works from captions; leave the instruction out, or take another method.")
        return source, list(targets)

    def size(self, flow: ImageFlow, size: tuple[int, int]) -> tuple[int, int]:
        """At which (width, height) an image of ``size`` is edited."""
        return flow.fitted(size)

    def encode(self, flow: ImageFlow, image: Image.Image) -> Tensor:
        """The latents that the method works on, of an image that already has its :meth:`size`."""
        return flow.encode(image)

    def decode(self, flow: ImageFlow, latents: Tensor, original: Image.Image) -> Image.Image:
        """One edit ``[1, C, h, w]`` as the model shows it, pixel for pixel aligned with the ``original``."""
        pair = self.pair(flow, latents, self.size(flow, original.size), lambda: original)
        return self.enlarged(*pair, original, detail=False)[0]

    def pair(
        self, flow: ImageFlow, latents: Tensor, size: tuple[int, int], source: Callable[[], Image.Image]
    ) -> tuple[Image.Image, Callable[[], Image.Image]]:
        """One edit ``[1, C, h, w]`` at ``size``, where it is worked on, and the source as the model shows it beside it:
        by default ``source``, the decoded latents that it worked on."""
        return flow.decode(latents, size), source

    def enlarged(
        self, edit: Image.Image, before: Callable[[], Image.Image], original: Image.Image, detail: bool
    ) -> tuple[Image.Image, float]:
        """What :meth:`pair` gives, at the size of ``original``, with ``detail`` of it if asked; and the share of the
        picture that has the original's own pixels."""
        return with_detail(edit, before(), original) if detail else (resized(edit, original.size), 0.0)

    def unchanged(self, edit: Image.Image, before: Image.Image) -> bool:
        """Whether what :meth:`pair` gives is one picture, but for rounding."""
        return bool(np.abs(np.asarray(edit, int) - np.asarray(before, int)).max() <= 1)


def frame_of(method: Method) -> Frame:
    """A method's own frame, or the image as it is."""
    return method.frame() or Frame(type(method).__name__)


@dataclass(frozen=True)
class EditRequest:
    """An instruction, or captions of the image as it is and as it should become; a target each."""

    instructions: tuple[str, ...]
    source_prompt: str
    target_prompts: tuple[str, ...]

    @classmethod
    def of(
        cls,
        instruction: str | Sequence[str] | None,
        source_prompt: str | None,
        target_prompt: str | Sequence[str] | None,
    ) -> "EditRequest":
        """From what an ``Editor`` is given. Raises :class:`InputError` for texts that are empty."""
        source = None if source_prompt is None else [source_prompt]
        return cls(
            _said(instruction, "the instruction is empty; say what should change, as in 'make the star green'."),
            "".join(_said(source, "the source prompt is empty; describe the image as it is.")),
            _said(target_prompt, "a target prompt is empty; describe the image as it should become."),
        )

    def plain(self) -> dict[str, Any]:
        """What :meth:`of` is given, for JSON."""
        return {
            "instruction": list(self.instructions) or None,
            "source_prompt": self.source_prompt or None,
            "target_prompt": list(self.target_prompts) or None,
        }

    def prompts(self, method: Method) -> tuple[str, list[str]]:
        """The prompts of the source and of every target that ``method`` makes of it."""
        return frame_of(method).prompts(self.source_prompt, self.target_prompts, self.instructions)


def _said(texts: str | Sequence[str] | None, complaint: str) -> tuple[str, ...]:
    """All ``texts`` that were given. Raises :class:`InputError` with the ``complaint`` where one says nothing."""
    if texts is None:
        return ()
    if not isinstance(texts, str | Sequence):
        raise InputError(f"prompts and instructions are texts, or lists of them, not {texts!r}.")
    listed = (texts,) if isinstance(texts, str) else tuple(texts)
    if not listed or not all(isinstance(text, str) and text.strip() for text in listed):
        raise InputError(complaint)
    if strange := [text for text in listed if any("\ud800" <= character <= "\udfff" for character in text)]:
        raise InputError(f"{strange[0]!r} is no text that can be encoded; write it in UTF-8.")
    return listed


def words(method: Method, sample: Any, judged: bool = False) -> dict[str, str | None]:
    """What ``method`` is told of a sample: captions if it works with them, else the instruction alone; a judge of
    previews always goes by the instruction."""
    captions = frame_of(method).takes_captions
    return {
        "instruction": sample.instruction if judged or not captions else None,
        "source_prompt": sample.source_prompt if captions else None,
        "target_prompt": sample.target_prompt if captions else None,
    }
