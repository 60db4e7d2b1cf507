"""Scores that a vision-language model is asked for; nothing but the numbers is read from what it says."""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any, ClassVar

from PIL import Image

from ..errors import LONGEST, InputError, first_line
from ..hidden import NAMED, address, shown
from ..judges import JUDGES, judge
from ..judges.answers import score
from ..judges.base import one_line
from ..judges.prompt import quoted
from .base import Images, OwnMetric


@dataclass(frozen=True)
class Question:
    """What is asked, with ``{instruction}`` for the quoted instruction, and the ``scores`` 0..``top`` expected."""

    text: str
    scores: int
    top: int
    reason_first: bool = False  # a model that writes its numbers last has thought before

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an answer."""
        one: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": self.top}
        many = {"type": "array", "items": one, "minItems": self.scores, "maxItems": self.scores}
        parts: list[tuple[str, Any]] = [("score", one if self.scores == 1 else many), ("reasoning", {"type": "string"})]
        parts = parts[::-1] if self.reason_first else parts
        names = [name for name, _ in parts]
        return {"type": "object", "properties": dict(parts), "required": names, "additionalProperties": False}


@dataclass(frozen=True, kw_only=True)
class AskedMetric(OwnMetric):
    """Overall: sqrt(SC x PQ), 0..10, of semantic consistency SC, the smaller of what ``consistency`` asks for, and of
    perceptual quality PQ, the smallest of what ``quality`` asks for.

    ``judge`` is ``openai:MODEL@URL`` or ``vlm:MODEL``. Raises :class:`InputError` for a name that is no judge's, or
    one's that only compares.
    """

    higher_is_better: ClassVar = True
    consistency: ClassVar[Question]  # about both pictures
    quality: ClassVar[Question]  # about the edited one only

    judge: str = ""

    @property
    def variant(self) -> str:
        return self.details.format(judge=shown(self.judge) or "(none)")

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "judge", address(self.judge))
        kind, _, rest = self.judge.partition(":")
        if NAMED.search(self.judge):
            return  # as a run's folder has it: a report reads numbers, and no environment
        if kind in JUDGES:  # whether it can be had here is not asked: a report reads its numbers anywhere
            _answering(self.judge, JUDGES[kind]).arguments(rest)
        elif self.judge:
            _answering(self.judge, judge(self.judge))

    def sc(self, images: Images) -> tuple[float, ...]:
        """Success of the edit, and how little else was changed, 0..10."""
        return self._asked(self.consistency, True, images)

    def pq(self, images: Images) -> tuple[float, ...]:
        return self._asked(self.quality, False, images)

    def score(self, images: Images) -> float:
        return sqrt(min(self.sc(images)) * min(self.pq(images)))

    def _asked(self, question: Question, with_source: bool, images: Images) -> tuple[float, ...]:
        answer = scores(self.judge, question, with_source, images)
        if isinstance(answer, str):
            raise InputError(answer)
        return tuple(10 * score / question.top for score in answer)


@lru_cache(maxsize=4)  # the metrics of one picture share its answers
def scores(spec: str, question: Question, with_source: bool, images: Images) -> tuple[float, ...] | str:
    """The numbers, as many as the ``question`` expects, that the judge ``spec`` gives to an edit.

    Whatever goes wrong on the way to them is told instead: never a guess, never a zero.
    """
    if not spec:
        return "no judge was named; give judge=openai:MODEL@URL or judge=vlm:MODEL"
    if not images.instruction and "{instruction}" in question.text:
        return "the sample has no instruction"
    pictures = (images.source, images.edited) if with_source else (images.edited,)
    shown = [Image.fromarray(picture) for picture in pictures]
    text = question.text.replace("{instruction}", quoted(images.instruction or ""))
    try:
        answer = _answering(spec, judge(spec)).answer(text, shown, question.schema)
        return numbers(answer, question)
    except InputError as error:
        return one_line(str(error), LONGEST)
    except Exception as error:  # a server's bad day costs one number
        return one_line(f"{type(error).__name__}: {first_line(error)}", LONGEST)


def numbers(answer: Any, question: Question) -> tuple[float, ...]:
    """The scores in an ``answer``. Raises :class:`InputError` unless they are as many, and in the range, as asked."""
    said = answer.get("score") if isinstance(answer, dict) else None
    found = [score(one, question.top) for one in (said if isinstance(said, list) else [said])]
    in_range = (type(value) in (int, float) and 0 <= value <= question.top for value in found)  # nan is not
    if len(found) != question.scores or not all(in_range):
        raise InputError(f"the answer has not {question.scores} score(s) from 0 to {question.top}: {answer}")
    return tuple(float(value) for value in found)


def _answering(spec: str, found: Any) -> Any:
    """The judge ``found``, or a class of them. Raises :class:`InputError` for one that only compares."""
    if not hasattr(found, "answer"):
        raise InputError(f"the judge {spec!r} only compares; scores need openai:MODEL@URL or vlm:MODEL.")
    return found
