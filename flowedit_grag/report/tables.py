"""Tables before they are written down: the same ones become HTML, Markdown and LaTeX."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from .intervals import Mean

NOTHING = "–"
DIGITS = 4  # of the largest number in a column


@dataclass(frozen=True)
class Cell:
    """A text or a number.

    Attributes:
        text, interval: what is printed; the interval in smaller type.
        value: to sort by; ``None`` for what is not a number.
        mark: ``best`` of its column; a difference that is ``better`` or ``worse``.
        note: what is worth saying of this cell alone.
    """

    text: str
    interval: str = ""
    value: float | None = None
    mark: str = ""
    note: str = ""


@dataclass(frozen=True)
class Header:
    """Over a column; headers beside each other with one ``group`` have that above them."""

    text: str
    group: str = ""
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: unique, safe in a file name and in HTML's ``id``.
        subject, title: of what it is, and what.
        bodies: its rows, in one or more editions of which a reader sees one; the first is what is printed.
        choice: what the editions differ in.
        notes: sentences below it.
    """

    name: str
    subject: str
    title: str
    headers: tuple[Header, ...]
    bodies: Mapping[str, tuple[tuple[Cell, ...], ...]]
    choice: str = ""
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The edition that is printed."""
        return next(iter(self.bodies.values()))

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The groups above the headers, and how many columns each has; empty where there are none."""
        together = [[*heads] for _, heads in groupby(self.headers, lambda head: head.group or head)]
        found = [(heads[0].group, len(heads)) for heads in together]
        return found if any(name for name, _ in found) else []


def number(mean: Mean, decimals: int, mark: str = "", note: str = "") -> Cell:
    """A mean with its interval, where there is one: not around infinity, and not where all are one whole number."""
    if not mean.n:
        return Cell(NOTHING, note=note)
    constant = decimals == 0 and mean.low == mean.high
    interval = f"[{fixed(mean.low, decimals)}, {fixed(mean.high, decimals)}]"
    shown = math.isfinite(mean.low + mean.high) and not constant
    return Cell(fixed(mean.value, decimals), interval if shown else "", mean.value, mark, note)


def fixed(value: float, decimals: int) -> str:
    """``value`` with ``decimals``; infinity as its sign."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # which makes -0 0


def decimals(values: Iterable[float]) -> int:
    """How many decimals give the largest of ``values`` four digits; none where all are whole."""
    finite = [abs(value) for value in values if math.isfinite(value)]
    if not finite or (all(value == int(value) for value in finite) and max(finite) > 1):
        return 0
    largest = max(finite)
    return DIGITS if largest == 0 else min(6, max(0, DIGITS - 1 - math.floor(math.log10(largest))))
