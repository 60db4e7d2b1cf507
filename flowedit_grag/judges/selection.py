"""From previews to the one worth finishing: ICEdit's early filter (arXiv:2504.20690, §3.3), after the sampling."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image, ImageOps

from ..contact_sheet import labelled_strip
from ..errors import InputError, first_line
from .base import Judge, Verdict

WINNER_COLOR = (0, 150, 60)
FRAME = 0.025  # width of a line, / shorter side of the picture


@dataclass(frozen=True)
class PairwiseComparison:
    """One comparison. ``winner`` is ``champion`` or ``challenger``, or ``None`` where it was undecided, perhaps for a
    ``tie``; ``answers`` are the judge's, champion first, then perhaps challenger first."""

    champion: int
    challenger: int
    winner: int | None
    tie: bool
    reason: str
    answers: tuple[Verdict, ...]


@dataclass(frozen=True)
class Selection:
    """Which candidate won, and how."""

    winner: int
    comparisons: tuple[PairwiseComparison, ...]

    @property
    def undecided(self) -> int:
        """Comparisons without a winner; the champion stayed."""
        return sum(comparison.winner is None for comparison in self.comparisons)

    @property
    def ties(self) -> int:
        """Those of them in which both were equally good."""
        return sum(comparison.tie for comparison in self.comparisons)

    def record(self) -> dict[str, Any]:
        """As plain types, for JSON."""
        return {
            "winner": self.winner,
            "undecided": self.undecided,
            "ties": self.ties,
            "comparisons": [
                {**asdict(made), "answers": [{"winner": said.winner, "reason": said.reason} for said in made.answers]}
                for made in self.comparisons
            ],
        }


def select(
    instruction: str,
    original: Image.Image,
    candidates: Sequence[Image.Image],
    judge: Judge,
    both_orders: bool = False,
) -> Selection:
    """The best of M ``candidates`` by M - 1 comparisons: one pass of bubble sort, champion against the next.

    ``both_orders`` asks again with the images swapped, because judges favour places; only a verdict that holds both
    ways counts. Whatever is undecided, a judge that fails included, keeps the champion, and a judge that has a
    ``patience`` (seconds) is asked nothing after that. Raises :class:`InputError` where there are no candidates.
    """
    if not candidates:
        raise InputError("there is nothing to select from; give at least one candidate.")
    champion, comparisons = 0, []
    end = time.monotonic() + (patience := getattr(judge, "patience", math.inf))
    for challenger in range(1, len(candidates)):
        pair = candidates[champion], candidates[challenger]
        if time.monotonic() > end:
            judge = _out_of_time(patience)
        verdict = _ask(judge, instruction, original, *pair)
        answers = [verdict]
        if both_orders and verdict.winner is not None:  # else nothing said now could decide it
            answers.append(_ask(judge, instruction, original, *reversed(pair)))
            verdict = _agreed(verdict, answers[1])
        winner = {1: champion, 2: challenger, None: None}[verdict.winner]
        made = PairwiseComparison(champion, challenger, winner, verdict.tie, verdict.reason, tuple(answers))
        comparisons.append(made)
        champion = champion if winner is None else winner
    return Selection(champion, tuple(comparisons))


def contact_sheet(
    original: Image.Image, candidates: Sequence[Image.Image], labels: Sequence[str], winner: int
) -> Image.Image:
    """``original`` and all ``candidates`` with their ``labels`` in a row, the ``winner`` framed and named."""
    marks = [WINNER_COLOR if index == winner else "white" for index in range(len(candidates))]
    tiles = [_framed(picture, color) for picture, color in zip([original, *candidates], ["white", *marks], strict=True)]
    names = [f"{label} (winner)" if index == winner else label for index, label in enumerate(labels)]
    return labelled_strip(tiles, ["original", *names], height=tiles[1 + winner].height)


def _agreed(there: Verdict, back: Verdict) -> Verdict:
    """The verdict of an answer, and of one to the swapped pictures."""
    if back.winner is None:
        return Verdict(None, f"undecided when swapped: {back.reason}")
    if back.winner == there.winner:
        return Verdict(None, f"contradicts itself when swapped: {there.reason} / {back.reason}")
    return there


def _ask(judge: Judge, instruction: str, original: Image.Image, first: Image.Image, second: Image.Image) -> Verdict:
    try:
        verdict = judge(instruction, *(picture.copy() for picture in (original, first, second)))
    except Exception as error:  # candidates that cost minutes must not be lost to a judge
        return Verdict(None, f"the judge failed ({first_line(error)})")
    if not isinstance(verdict, Verdict):
        return Verdict(None, f"the judge answered with a {type(verdict).__name__} instead of a Verdict")
    return verdict


def _out_of_time(patience: float) -> Judge:
    """In place of a judge that has taken longer."""
    return lambda *asked: Verdict(None, f"not asked: the judge's {patience:g} seconds for all comparisons were over")


def _framed(picture: Image.Image, color: str | tuple[int, int, int]) -> Image.Image:
    """In a frame that leaves the picture whole; the white inside of it sets the colour off from any picture."""
    width = max(1, round(FRAME * min(picture.size)))
    return ImageOps.expand(ImageOps.expand(picture.convert("RGB"), width, "white"), 2 * width, color)
