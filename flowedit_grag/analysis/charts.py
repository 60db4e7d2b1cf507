"""Charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import written

if TYPE_CHECKING:
    from .vital_layers import VitalLayers


PALETTE = ("#2a6f97", "#d1495b", "#66a182", "#edae49", "#7d5ba6", "#8d99ae", "#2b2d42")


@dataclass(frozen=True)
class Series:
    """A named curve through ``points`` (x, y); a single point is drawn as a mark."""

    name: str
    points: Sequence[tuple[float, float]]


def curves(series: Sequence[Series], path: Path, x: str, y: str, title: str) -> Path:
    """Curves over a common pair of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    for index, line in enumerate(series):
        single = len(line.points) == 1
        axes.plot(
            *zip(*line.points, strict=True),
            "D" if single else "o-",
            label=line.name,
            color=PALETTE[index % len(PALETTE)],
        )
    axes.grid(alpha=0.25)
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.legend(fontsize=8)
    with written(path) as partial:
        figure.savefig(partial, dpi=150)
    return path


def bar_chart(found: "VitalLayers", path: Path) -> Path:
    """Vitality of every layer, vital ones in another colour, double- and single-stream blocks apart (as the paper's
    figure 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(found.layers)
    figure = Figure(figsize=(max(6, 0.22 * count), 3.2), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    colors = ["#d1495b" if index in found.vital_layers else "#8d99ae" for index in range(count)]
    axes.bar(range(count), found.vitality, color=colors)
    axes.axhline(found.threshold, color="black", linewidth=0.8, linestyle="--")
    singles = [index for index, name in enumerate(found.layers) if name.startswith("single")]
    if singles:
        axes.axvline(singles[0] - 0.5, color="#2b2d42", linewidth=0.8)
        axes.text(singles[0] - 0.4, axes.get_ylim()[1], "single-stream", va="top", fontsize=8)
    axes.set(
        xlabel="attention layer", ylabel=f"vitality (1 - {found.similarity})", title=f"Vital layers of {found.model}"
    )
    axes.set_xticks(range(0, count, 1 if count <= 20 else 5))
    with written(path) as partial:
        figure.savefig(partial, dpi=150)
    return path


def heatmap(
    values: Sequence[Sequence[float]], rows: Sequence[str], path: Path, x: str, title: str,
    columns: Sequence[str] | None = None,
) -> Path:  # fmt: skip
    """Parts of 1 as colours: a row for each of the named ``rows``, a column for each number, named or counted."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, max(2.4, 1 + 0.2 * len(rows))), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    drawn = axes.imshow(values, vmin=0, vmax=1, aspect="auto", cmap="viridis")
    axes.set(xlabel=x, title=title)
    axes.set_xticks(range(len(values[0])), **({"labels": columns, "rotation": 90, "fontsize": 6} if columns else {}))
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    figure.colorbar(drawn)
    with written(path) as partial:
        figure.savefig(partial, dpi=150)
    return path
