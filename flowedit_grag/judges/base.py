"""What a judge is asked, and what it answers."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, TypeVar

from PIL import Image

from ..errors import LONGEST, InputError
from ..hidden import masked

NO_JSON = "the answer is not the JSON that was asked for"
Score = TypeVar("Score", float, tuple[float, float])  # a pair compares by its first number that differs


@dataclass(frozen=True)
class Verdict:
    """Which of two pictures is the better edit; ``winner=None`` is undecided. ``reason`` is made one line. A ``tie`` is
    undecided because both are equally good, and not because the judge could not tell."""

    winner: Literal[1, 2] | None
    reason: str
    tie: bool = False

    def __post_init__(self):
        object.__setattr__(self, "reason", one_line(masked(str(self.reason)), LONGEST))
        if self.winner not in (1, 2, None):
            raise ValueError(f"a verdict's winner is 1, 2 or None (undecided), not {self.winner!r}.")
        if self.tie and self.winner is not None:
            raise ValueError(f"a tie has no winner, and not {self.winner!r}.")

    @classmethod
    def higher(cls, first: Score, second: Score, reason: str) -> Self:
        """The higher score wins; equal ones are a tie, and what is not a number leaves it undecided."""
        return cls(1 if first > second else 2 if second > first else None, reason, tie=first == second)


class Judge(Protocol):
    """Anything that compares two edits of ``original`` by ``instruction``. It may raise: selection takes it as
    undecided. One that has a method ``prepare()`` is told before the first picture is made, and may refuse then with an
    :class:`InputError`."""

    def __call__(self, instruction: str, original: Image.Image, first: Image.Image, second: Image.Image) -> Verdict: ...


def json_in(said: Any) -> Any:
    """The JSON in an answer; an object may stand in a fence or between words. Raises :class:`InputError` for none."""
    try:
        with suppress(ValueError):
            return json.loads(said)
        return json.loads(said[said.index("{") : said.rindex("}") + 1])
    except (TypeError, ValueError, AttributeError, RecursionError):
        raise InputError(f"{NO_JSON}: {said}") from None


def one_line(text: str, limit: int) -> str:
    """``text`` from anywhere as one printable line of at most ``limit`` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
