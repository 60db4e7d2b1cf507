"""How a person's image and words become what a method works on, and back."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from .base import Method


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
        """One edit ``[1, C, h, w]`` as an image, pixel for pixel aligned with the ``original``."""
        edited = flow.decode(latents, self.size(flow, original.size))
        return edited.resize(original.size, Image.Resampling.LANCZOS)


def frame_of(method: Method) -> Frame:
    """A method's own frame, or the image as it is."""
    return method.frame() or Frame(type(method).__name__)
