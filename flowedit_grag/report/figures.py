"""Figures of a comparison: what success costs in preservation, and strength curves (as GRAG's Fig. 10)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ..analysis.charts import PALETTE, encoded, sheet
from .comparison import COST, Column, Comparison, Row
from .runs import PRESERVATION, SUCCESS
from .scores import mean_of
from .strength import Curve, curves

KINDS = ("svg", "pdf")
MARKERS = "os^DvX"  # beside colours, which not everybody tells apart
FIRST = 7  # points, of the first mark of a curve
PANEL = (2.9, 2.7)  # inches
SINGLE = (4.6, 3.6)  # inches, of a panel that is alone


@dataclass(frozen=True)
class Figure:
    """``files`` are by ending."""

    name: str
    caption: str
    files: dict[str, bytes]


def figures(comparison: Comparison, name: str) -> Iterator[Figure]:
    """The frontier, and for every metric the curves of the rows that differ only in one number."""
    yield from _frontier(comparison, f"{name}-frontier")
    found = curves(comparison.lines)
    for number, column in enumerate(column for column in comparison.columns if column not in COST):
        measured = [curve for curve in found if all(column in line.measured for _, line in curve.points)]
        turned = dict.fromkeys(curve.turned for curve in measured)
        panels = {what: [curve for curve in measured if curve.turned == what] for what in turned}
        if panels:
            caption = f"{column.label} over {', '.join(panels)}, 95 % intervals; {column.variant}"
            safe = re.sub(r"[^\w-]", "_", f"{number}-{column.name}")  # metrics are called what you like
            yield Figure(f"{name}-strength-{safe}", caption, _strengths(comparison, column, panels))


def _frontier(comparison: Comparison, name: str) -> Iterator[Figure]:
    """Success against preservation: rows that differ in one number are a curve, every other row a point."""
    asked, kept = comparison.named(SUCCESS), comparison.named(PRESERVATION)
    if not asked or not kept:
        return
    success = asked[0]
    found = curves(comparison.lines)
    on_curves = {line for curve in found for _, line in curve.points}
    lines: dict[str, list[Row]] = {}
    for curve in found:
        (first, _), *_, (last, _) = curve.points
        lines[f"{curve.name}, {curve.turned} {first:g} to {last:g}"] = [line for _, line in curve.points]
    lines |= {line.label: [line] for line in comparison.lines if line not in on_curves}
    canvas, places = sheet(len(kept), panel=SINGLE if len(kept) == 1 else PANEL)
    for axes, column in zip(places, kept, strict=True):
        for look, (label, rows) in enumerate(lines.items()):
            if all({success, column} <= {*row.measured} for row in rows):
                x, y = (
                    [mean_of(comparison, row, one, comparison.ids).value for row in rows] for one in (success, column)
                )
                _plot(axes, x, y, label, look, FIRST)
        axes.set(xlabel=literal(success.head), ylabel=literal(column.head))
    caption = (
        f"{success.label} against {', '.join(column.label for column in kept)}: means over all samples. Rows that "
        "differ only in one number are a curve, from its lowest value (the large mark) on; every other row is a point."
    )
    yield Figure(name, caption, _finished(canvas, places))


def _strengths(comparison: Comparison, column: Column, panels: Mapping[str, Sequence[Curve]]) -> dict[str, bytes]:
    """A panel for every number that is turned."""
    canvas, places = sheet(len(panels), panel=SINGLE if len(panels) == 1 else PANEL, share_y=True)
    looks: dict[str, int] = {}  # of a curve by its name, the same in every panel
    for axes, (turned, found) in zip(places, panels.items(), strict=True):
        for curve in found:
            values = [value for value, _ in curve.points]
            means = [mean_of(comparison, line, column, comparison.ids) for _, line in curve.points]
            look = looks.setdefault(curve.name, len(looks))
            _plot(axes, values, [one.value for one in means], curve.name, look)
            low, high = [one.low for one in means], [one.high for one in means]
            axes.fill_between(values, low, high, color=PALETTE[look % len(PALETTE)], alpha=0.15, linewidth=0)
        axes.set(xlabel=literal(turned))
    canvas.supylabel(literal(column.head), fontsize="medium")
    return _finished(canvas, places)


def _plot(axes: Axes, x: Sequence[float], y: Sequence[float], label: str, look: int, first: float = 4) -> None:
    """A curve or a point, its first mark of another size."""
    color, marker = PALETTE[look % len(PALETTE)], MARKERS[look % len(MARKERS)]
    style = "-" if len(x) > 1 else ""
    axes.plot(x, y, style, color=color, marker=marker, markersize=4, label=literal(label))
    axes.plot(x[:1], y[:1], color=color, marker=marker, markersize=first)


def _finished(canvas: Canvas, places: Sequence[Axes]) -> dict[str, bytes]:
    """With a grid and one legend for all panels."""
    for axes in places:
        axes.grid(alpha=0.25)
    shown = {label: handle for axes in places for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    columns = min(3, len(places))
    canvas.legend(handles=list(shown.values()), loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return {kind: encoded(canvas, kind) for kind in KINDS}


def literal(text: str) -> str:
    """For matplotlib, which reads what stands between dollars as mathematics."""
    return text.replace("$", r"\$")
