"""Several small charts on one sheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import written
from .charts import PALETTE, Series

COLUMNS = 3


def heatmaps(
    panels: Mapping[str, Sequence[Sequence[float]]], path: Path, x: str, y: str, title: str, top: float | None = None
) -> Path:
    """Numbers from 0 on as colours, a panel for each name; ``top`` is the scale's end, by default each panel's own
    largest."""
    figure, places = _sheet(len(panels), title)
    for axes, (name, values) in zip(places, panels.items(), strict=True):
        drawn = axes.imshow(values, vmin=0, vmax=top, aspect="auto", cmap="viridis", interpolation="nearest")
        axes.set(title=name, xlabel=x, ylabel=y)
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(integer=True)
        figure.colorbar(drawn)
    return _saved(figure, path)


def line_panels(panels: Mapping[str, Sequence[Series]], path: Path, x: str, y: str, title: str) -> Path:
    """Curves, a panel for each name. More curves than there are colours are told apart by a colour scale, first to
    last, and not by name."""
    from matplotlib import colormaps

    figure, places = _sheet(len(panels), title)
    for axes, (name, series) in zip(places, panels.items(), strict=True):
        many = len(series) > len(PALETTE)
        for index, line in enumerate(series):
            color = colormaps["viridis"](index / (len(series) - 1)) if many else PALETTE[index]
            axes.plot(*zip(*line.points, strict=True), "-" if len(line.points) > 24 else "o-", ms=3, color=color)
        axes.set(title=name, xlabel=x, ylabel=y)
        if all(isinstance(at, int) for line in series for at, _ in line.points):
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        shown = series if not many else [series[0], series[-1]]
        handles = axes.lines if not many else [axes.lines[0], axes.lines[-1]]
        axes.legend(handles, [line.name for line in shown], fontsize=7)
    return _saved(figure, path)


def _sheet(count: int, title: str):
    """A figure with ``count`` axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = count if count < COLUMNS or count == COLUMNS + 1 else COLUMNS
    rows = -(-count // columns)
    figure = FigureCanvasAgg(Figure(figsize=(4.2 * columns, 0.4 + 3 * rows), layout="constrained")).figure
    figure.suptitle(title)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)[:count]


def _saved(figure, path: Path) -> Path:
    with written(path) as partial:
        figure.savefig(partial, dpi=150)
    return path
