"""What turning does, side by side: a column of panels for every number that is turned, a row for every measure."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ..analysis.charts import PALETTE, canvas, encoded
from .comparison import Column, Comparison
from .figures import KINDS, Figure, literal
from .runs import PRESERVATION, SUCCESS
from .scores import mean_of
from .strength import CHANGE, Turn, turns

ABREAST = 6  # columns, at most
PANEL = (1.45, 1.25)  # inches


def strength_curves(comparison: Comparison, name: str) -> Iterator[Figure]:
    """Change, success and what stays, of whatever is turned and has its change measured; figures share their scales."""
    columns = [*comparison.named([CHANGE]), *comparison.named(SUCCESS)[:1], *comparison.named(PRESERVATION)[:2]]
    found = [one for one in turns(comparison) if len(one.changes)]
    if not found:
        return
    sheets = np.array_split(np.arange(len(found)), -(-len(found) // ABREAST))
    drawn = [_sheet(comparison, columns, [found[index] for index in own]) for own in sheets]
    for row in range(len(columns)):
        limits = np.array([places[row][0].get_ylim() for _, places in drawn])
        for _, places in drawn:
            places[row][0].set_ylim(limits[:, 0].min(), limits[:, 1].max())
    caption = (
        f"{', '.join(column.label for column in columns)} of what is turned, from the weakest value to the strongest; "
        "means with 95 % intervals. Weakest: the smallest strength, or the end of any other number at which pictures "
        "change less."
    )
    for number, (of, _) in enumerate(drawn, start=1):
        yield Figure(f"{name}-curves-{number}", caption, {kind: encoded(of, kind) for kind in KINDS})


def _sheet(comparison: Comparison, columns: Sequence[Column], found: Sequence[Turn]) -> tuple[Canvas, np.ndarray]:
    """The canvas, and its panels by row and column; those of a row share their scale."""
    size = (0.6 + PANEL[0] * len(found), 0.6 + PANEL[1] * len(columns))
    drawn = canvas(size)
    places = drawn.subplots(len(columns), len(found), sharex="col", sharey="row", squeeze=False)
    for column, row in zip(columns, places, strict=True):
        for axes, one in zip(row, found, strict=True):
            _panel(axes, one, column, comparison)
        row[0].set_ylabel(literal(column.head), fontsize=8)
    for axes, one in zip(places[0], found, strict=True):
        axes.set_title(literal(f"{one.curve.name}\n{one.curve.turned}"), fontsize=8)
    return drawn, places


def _panel(axes: Axes, one: Turn, column: Column, comparison: Comparison) -> None:
    means, x = [mean_of(comparison, line, column, comparison.ids) for _, line in one.points], one.values
    axes.plot(x, [of.value for of in means], "o-", markersize=3, color=PALETTE[0])
    axes.fill_between(x, [of.low for of in means], [of.high for of in means], color=PALETTE[0], alpha=0.2, linewidth=0)
    axes.xaxis.set_inverted(x[0] > x[-1])
    shown = [x[0], x[one.steps // 2], x[-1]]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
