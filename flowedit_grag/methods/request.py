"""What a person said of the edit they want."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from .base import Method
from .frame import frame_of


@dataclass(frozen=True)
class EditRequest:
    """An instruction, or captions of the image as it is and as it should become; a target each."""

    instructions: tuple[str, ...] = ()
    source_prompt: str = ""
    target_prompts: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        instruction: str | Sequence[str] | None,
        source_prompt: str | None,
        target_prompt: str | Sequence[str] | None,
    ) -> "EditRequest":
        """From what an ``Editor`` is given. Raises :class:`InputError` for texts that are empty."""
        request = cls(_listed(instruction), source_prompt or "", _listed(target_prompt))
        if source_prompt is not None and not (isinstance(source_prompt, str) and source_prompt.strip()):
            raise InputError("the source prompt is empty; describe the image as it is.")
        if target_prompt is not None and not _all_said(request.target_prompts):
            raise InputError("a target prompt is empty; describe the image as it should become.")
        if instruction is not None and not _all_said(request.instructions):
            raise InputError("the instruction is empty; say what should change, as in 'make the star green'.")
        return request

    def prompts(self, method: Method) -> tuple[str, list[str]]:
        """The prompts of the source and of every target that ``method`` makes of it."""
        return frame_of(method).prompts(self.source_prompt, self.target_prompts, self.instructions)


def _listed(texts: str | Sequence[str] | None) -> tuple[str, ...]:
    if texts is not None and not isinstance(texts, str | Sequence):
        raise InputError(f"prompts and instructions are texts, or lists of them, not {texts!r}.")
    return (texts,) if isinstance(texts, str) else tuple(texts or ())


def _all_said(texts: Sequence[str]) -> bool:
    return bool(texts) and all(isinstance(text, str) and text.strip() for text in texts)


def words(method: Method, sample: Any, judged: bool = False) -> dict[str, str | None]:
    """What ``method`` is told of a sample: captions if it works with them, else the instruction alone; a judge of
    previews always goes by the instruction."""
    if not frame_of(method).takes_captions:
        return {"instruction": sample.instruction, "source_prompt": None, "target_prompt": None}
    return {
        "instruction": sample.instruction if judged else None,
        "source_prompt": sample.source_prompt,
        "target_prompt": sample.target_prompt,
    }
