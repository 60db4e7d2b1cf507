"""Charts, all opened and saved in one way, and the numbers beside them, from which they can be drawn again."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ..files import written

PALETTE = ("#2a6f97", "#d1495b", "#66a182", "#edae49", "#7d5ba6", "#8d99ae", "#2b2d42")
COLUMNS = 3  # of panels, at most so many abreast
PANEL = (4.2, 3.0)  # inches
UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}  # equal numbers give equal files
DIGITS = 7  # significant; float32 has no more
MANY = 24  # points, from which on a curve has no marks

Curve = Sequence[tuple[float, float]]  # through points (x, y)


def canvas(size: tuple[float, float]) -> Figure:
    """An empty figure of (width, height) inches."""
    return FigureCanvasAgg(Figure(figsize=size, layout="constrained")).figure


def sheet(
    count: int, title: str = "", panel: tuple[float, float] = PANEL, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` axes, each of ``panel`` inches."""
    columns = count if count < COLUMNS or count == COLUMNS + 1 else COLUMNS
    rows = -(-count // columns)
    size = (panel[0] * columns, (0.4 if title else 0) + panel[1] * rows)
    figure = canvas(size)
    figure.suptitle(title)
    axes = list(figure.subplots(rows, columns, sharey=share_y, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def encoded(figure: Figure, kind: str) -> bytes:
    """The figure as a file of ``kind``: png, svg, pdf."""
    with rc_context({"svg.hashsalt": "flowedit_grag"}):
        figure.savefig(taken := BytesIO(), format=kind, dpi=150, metadata=UNDATED.get(kind))
    return taken.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write the figure at ``path``, whole or not at all, as its ending says."""
    with written(path) as partial:
        partial.write_bytes(encoded(figure, path.suffix[1:]))
    return path


def line_panels(panels: Mapping[str, Mapping[str, Curve]], path: Path, x: str, y: str, title: str) -> Path:
    """Curves by name, in panels by name. More curves than there are colours are told apart by a colour scale, first to
    last, and not by name."""
    figure, places = sheet(len(panels), title)
    for axes, (name, curves) in zip(places, panels.items(), strict=True):
        many = len(curves) > len(PALETTE)
        for index, (label, points) in enumerate(curves.items()):
            color = colormaps["viridis"](index / (len(curves) - 1)) if many else PALETTE[index]
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, "-" if len(xs) > MANY else "o-", ms=3, color=color, label=label)
        axes.set(title=name, xlabel=x, ylabel=y)
        if all(isinstance(at, int) for points in curves.values() for at, _ in points):
            _count(axes.xaxis)
        axes.grid(alpha=0.25)
        axes.legend(handles=[axes.lines[0], axes.lines[-1]] if many else axes.lines, fontsize=7)
    return save(figure, path)


def heatmaps(
    panels: Mapping[str, Sequence[Sequence[float]]], path: Path, x: str, y: str, title: str, top: float | None = None
) -> Path:
    """Numbers from 0 on as colours, a panel for each name; ``top`` is the scale's end, by default each panel's own
    largest."""
    figure, places = sheet(len(panels), title)
    for axes, (name, values) in zip(places, panels.items(), strict=True):
        drawn = axes.imshow(values, vmin=0, vmax=top, aspect="auto", cmap="viridis", interpolation="nearest")
        axes.set(title=name, xlabel=x, ylabel=y)
        _count(axes.xaxis)
        _count(axes.yaxis)
        figure.colorbar(drawn)
    return save(figure, path)


def _count(axis: Axis) -> None:
    """Label whole numbers only."""
    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))


def heatmap(
    values: Sequence[Sequence[float]], rows: Sequence[str], path: Path, x: str, title: str,
    columns: Sequence[str] | None = None,
) -> Path:  # fmt: skip
    """Parts of 1 as colours: a row for each of the named ``rows``, a column for each number, named or counted."""
    figure, (axes,) = sheet(1, panel=(6.4, max(2.4, 1 + 0.2 * len(rows))))
    drawn = axes.imshow(values, vmin=0, vmax=1, aspect="auto", cmap="viridis")
    axes.set(xlabel=x, title=title)
    axes.set_xticks(range(len(values[0])))
    if columns:
        axes.set_xticklabels(columns, rotation=90, fontsize=6)
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    figure.colorbar(drawn)
    return save(figure, path)


def nested(values: Tensor) -> list:
    """A tensor as nested lists for JSON."""
    return np.vectorize(lambda value: float(f"{value:.{DIGITS}g}"), otypes=[float])(values.numpy()).tolist()


def write_json(numbers: Mapping[str, Any], path: Path, indent: int | None = None) -> Path:
    """``numbers`` at ``path``, whole or not at all."""
    with written(path) as partial:
        partial.write_text(json.dumps(numbers, indent=indent) + "\n", encoding="utf-8")
    return path
