"""Judges: which of two edits follows the instruction better? By name, or any callable of your own."""

from functools import cache

from ..errors import InputError
from ..hidden import address
from ..registry import Registry
from .base import Judge, Verdict

JUDGES = Registry(
    "judge",
    __name__,
    {
        "lab": "lab:LabJudge",
        "lab-clip": "lab_clip:LabCLIPJudge",
        "clip": "clip:CLIPJudge",
        "vlm": "vlm:VLMJudge",
        "openai": "openai:OpenAIJudge",
    },
)
FORMS = "lab, lab-clip, clip, clip:MODEL, vlm:MODEL, openai:MODEL@URL"


def judge(spec: str | Judge) -> Judge:
    """A judge from its name: one of :data:`FORMS`, or the address of your own, ``"my_package.my_file:my_judge"``.

    A ready callable is returned as it is; a name always gives the same judge, whose model is loaded once, by the first
    comparison. Raises :class:`InputError` for names that lead nowhere.
    """
    if isinstance(spec, str):
        spec = address(spec)
    if callable(spec) and not isinstance(spec, type):
        return spec
    if not isinstance(spec, str):
        raise InputError(f"a judge is a name ({FORMS}) or a callable, not {spec!r}.")
    return _named(spec)


@cache
def _named(spec: str) -> Judge:
    kind, _, rest = spec.partition(":")
    if kind in JUDGES:
        return JUDGES[kind](*JUDGES[kind].arguments(rest))
    try:
        found = JUDGES[spec]
    except InputError as error:
        raise InputError(f"{str(error).partition(';')[0].rstrip('.')}; known judges: {FORMS}.") from error
    return found() if isinstance(found, type) else found


__all__ = ["FORMS", "JUDGES", "Judge", "Verdict", "judge"]
