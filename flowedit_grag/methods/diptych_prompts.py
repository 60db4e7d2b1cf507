"""From an instruction to the prompt of a diptych (ICEdit, arXiv:2504.20690, Fig. 3 and §B.3)."""

from typing import Literal

from ..errors import InputError

PromptStyle = Literal["direct", "in-context", "descriptive"]
DIPTYCH = "A diptych with two side-by-side images of the same scene."
IN_CONTEXT = DIPTYCH + " On the right, the scene is exactly the same as on the left but {instruction}"
DESCRIPTIVE = "A diptych with two side-by-side images. On the left, {source}. On the right, {target}."


def diptych_prompt(instruction: str, style: PromptStyle = "in-context", *, source: str = "", target: str = "") -> str:
    """The prompt for both panels.

    ``"direct"`` is the instruction alone, ``"in-context"`` puts it into a description of the diptych, ``"descriptive"``
    describes ``source`` and ``target`` in full. Raises :class:`InputError` where what the style needs is empty.
    """
    if style == "descriptive":
        if not source.strip() or not target.strip():
            raise InputError("the descriptive prompt needs captions of both the source and the target.")
        return DESCRIPTIVE.format(source=source.strip(" ."), target=target.strip(" ."))
    if not instruction.strip():
        raise InputError("the instruction is empty; say what should change, as in 'make the star green'.")
    if style not in ("direct", "in-context"):
        raise InputError(f"the prompt style must be direct, in-context or descriptive, not {style!r}.")
    return instruction.strip() if style == "direct" else IN_CONTEXT.format(instruction=instruction.strip())
