"""What a judge is asked, and what it answers."""

from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeVar

from PIL import Image

Score = TypeVar("Score", float, tuple[float, float])  # a pair compares by its first number that differs


@dataclass(frozen=True)
class Verdict:
    """Which of two pictures is the better edit; ``winner=None`` is undecided. ``reason`` is one line."""

    winner: Literal[1, 2] | None
    reason: str

    def __post_init__(self):
        if self.winner not in (1, 2, None):
            raise ValueError(f"a verdict's winner is 1, 2 or None (undecided), not {self.winner!r}.")

    @classmethod
    def higher(cls, first: Score, second: Score, reason: str) -> Self:
        """The higher score wins; equal ones, and those that are not a number, leave it undecided."""
        return cls(1 if first > second else 2 if second > first else None, reason)


class Judge(Protocol):
    """Anything that compares two edits of ``original`` by ``instruction``. It may raise: selection takes it as
    undecided. One that has a method ``prepare()`` is told before the first picture is made, and may refuse then with an
    :class:`InputError`."""

    def __call__(self, instruction: str, original: Image.Image, first: Image.Image, second: Image.Image) -> Verdict: ...


def one_line(text: str, limit: int) -> str:
    """``text`` from anywhere as one printable line of at most ``limit`` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
