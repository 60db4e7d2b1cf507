"""What a person said of the edit they want."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError


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

    def captions(self, method: str) -> tuple[str, list[str]]:
        """Source and target captions. Raises :class:`InputError` where ``method`` was not given them, or more."""
        if not self.source_prompt or not self.target_prompts:
            raise InputError(f"{method} takes a source and a target prompt: the image as it is and as it should be.")
        if self.instructions:
            raise InputError(f"{method} works from captions; leave the instruction out, or take another method.")
        return self.source_prompt, list(self.target_prompts)


def _listed(texts: str | Sequence[str] | None) -> tuple[str, ...]:
    if texts is not None and not isinstance(texts, str | Sequence):
        raise InputError(f"prompts and instructions are texts, or lists of them, not {texts!r}.")
    return (texts,) if isinstance(texts, str) else tuple(texts or ())


def _all_said(texts: Sequence[str]) -> bool:
    return bool(texts) and all(isinstance(text, str) and text.strip() for text in texts)


def takes_captions(method: Any) -> bool:
    """Whether a method is told captions, and not an instruction."""
    return getattr(method, "prompt", "descriptive") == "descriptive"


def words(method: Any, problem: Any, judged: bool = False) -> dict[str, str | None]:
    """What ``method`` is told of a problem: captions if it works with them, else the instruction alone; a judge of
    previews always goes by the instruction."""
    if takes_captions(method):
        return {
            "instruction": problem.instruction if judged else None,
            "source_prompt": problem.source_prompt,
            "target_prompt": problem.target_prompt,
        }
    return {"instruction": problem.instruction, "source_prompt": None, "target_prompt": None}
