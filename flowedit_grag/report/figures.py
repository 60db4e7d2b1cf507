"""Strength curves: one figure for every metric, in it a panel for every number that is turned (as GRAG's Fig. 10)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from ..analysis.charts import PALETTE
from .columns import COST, Column
from .comparison import Comparison
from .scores import mean_of
from .strength import Curve, curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

KINDS = ("svg", "pdf")
UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}  # equal runs give equal files
STYLE = {"svg.hashsalt": "report", "font.size": 8}
MARKERS = "os^DvX"  # beside colours, which not everybody tells apart
COLUMNS, WIDTH, HEIGHT = 3, 2.0, 1.9  # of panels: at most so many abreast, each so many inches
LEAST = (4.2, 2.9)  # inches, of a figure

Panels = Mapping[str, Sequence[Curve]]  # by what is turned


@dataclass(frozen=True)
class Figure:
    """``files`` are by ending."""

    name: str
    caption: str
    files: dict[str, bytes]


def figures(comparison: Comparison, name: str) -> Iterator[Figure]:
    """For every metric, the curves of the rows that differ only in one number."""
    found = curves(comparison.lines)
    for number, column in enumerate(column for column in comparison.columns if column not in COST):
        measured = [curve for curve in found if all(column in line.measured for _, line in curve.points)]
        panels = {turned: [curve for curve in measured if curve.turned == turned] for turned in _turned(measured)}
        if panels:
            caption = f"{column.label} over {', '.join(panels)}, 95 % intervals; {column.variant}"
            safe = re.sub(r"[^\w-]", "_", f"{number}-{column.name}")  # metrics are called what you like
            yield Figure(f"{name}-{safe}", caption, _drawn(comparison, column, panels))


def _turned(found: Sequence[Curve]) -> list[str]:
    return list(dict.fromkeys(curve.turned for curve in found))


def _drawn(comparison: Comparison, column: Column, panels: Panels) -> dict[str, bytes]:
    import matplotlib

    with matplotlib.rc_context(STYLE):
        canvas, places = _canvas(len(panels))
        looks: dict[str, int] = {}  # of a curve by its name, the same in every panel
        for axes, (turned, found) in zip(places, panels.items(), strict=True):
            for curve in found:
                _draw(axes, comparison, column, curve, looks.setdefault(curve.name, len(looks)))
            axes.set(xlabel=_literal(turned))
            axes.grid(alpha=0.25)
        canvas.supylabel(_literal(f"{column.label} {column.arrow}"), fontsize="medium")
        shown = {line.get_label(): line for axes in places for line in axes.lines}
        canvas.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2, frameon=False)
        return {kind: _saved(canvas, kind) for kind in KINDS}


def _canvas(count: int) -> "tuple[Canvas, list[Axes]]":
    """With axes for ``count`` panels, all with the same y."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    rows = -(-count // COLUMNS)
    columns = -(-count // rows)
    size = (max(LEAST[0], 0.6 + WIDTH * columns), max(LEAST[1], 0.4 + HEIGHT * rows))
    canvas = FigureCanvasAgg(Canvas(figsize=size, layout="constrained")).figure
    places = list(canvas.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for spare in places[count:]:
        spare.remove()
    return canvas, places[:count]


def _draw(axes: "Axes", comparison: Comparison, column: Column, curve: Curve, look: int) -> None:
    values = [value for value, _ in curve.points]
    means = [mean_of(comparison, line, column, comparison.ids) for _, line in curve.points]
    low, high = [one.low for one in means], [one.high for one in means]
    style = {"color": PALETTE[look % len(PALETTE)], "marker": MARKERS[look % len(MARKERS)], "markersize": 4}
    axes.plot(values, [one.value for one in means], label=_literal(curve.name), **style)
    axes.fill_between(values, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _saved(canvas: "Canvas", kind: str) -> bytes:
    canvas.savefig(taken := BytesIO(), format=kind, metadata=UNDATED[kind])
    return taken.getvalue()


def _literal(text: str) -> str:
    """For matplotlib, which reads what stands between dollars as mathematics."""
    return text.replace("$", r"\$")
