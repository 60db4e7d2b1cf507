"""What a judge is asked, and what it answers."""

from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeVar

from PIL import Image

from ..errors import LONGEST
from ..hidden import masked

MOST_READ = 10  # times a limit, of a text that is cut to it; most of it may be space
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


def one_line(text: str, limit: int) -> str:
    """``text`` from anywhere as one printable line of at most ``limit`` characters."""
    text = text[: MOST_READ * limit]  # of more, each character would take its own memory
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
