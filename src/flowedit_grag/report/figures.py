"""Strength curves."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import product

from ..analysis.charts import PALETTE
from .scores import mean_of
from .strength import Curve, curves
from .studies import COST, Column, Study

KINDS = ("svg", "pdf")
UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}  # equal runs give equal files


@dataclass(frozen=True)
class Figure:
    """``files`` are by ending."""

    name: str
    caption: str
    files: dict[str, bytes]


def figures(study: Study, name: str) -> Iterator[Figure]:
    """For every number that is turned and every metric, the curves of the rows that differ only in that number."""
    found, columns = curves(study.lines), [column for column in study.columns if column not in COST]
    for turned, (number, column) in product(dict.fromkeys(curve.turned for curve in found), enumerate(columns)):
        of_number = [curve for curve in found if curve.turned == turned]
        measured = [curve for curve in of_number if all(column in line.measured for _, line in curve.points)]
        if measured:
            caption = f"{column.label} over {turned}, 95 % intervals; {column.variant}"
            safe = re.sub(r"[^\w-]", "_", f"{turned}-{number}-{column.name}")  # metrics are called what you like
            yield Figure(f"{name}-{safe}", caption, _drawn(study, column, measured))


def _drawn(study: Study, column: Column, found: Sequence[Curve]) -> dict[str, bytes]:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    figure = Sheet(figsize=(4.8, 3.2), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    for index, curve in enumerate(found):
        color = PALETTE[index % len(PALETTE)]
        values = [value for value, _ in curve.points]
        means = [mean_of(study, line, column, study.ids) for _, line in curve.points]
        axes.plot(values, [one.value for one in means], "o-", color=color, label=_literal(curve.name), markersize=4)
        axes.fill_between(
            values, [one.low for one in means], [one.high for one in means], color=color, alpha=0.15, linewidth=0
        )
    axes.grid(alpha=0.25)
    axes.set(xlabel=_literal(found[0].turned), ylabel=_literal(f"{column.label} {column.arrow}"))
    axes.legend(fontsize=8)
    files = {}
    with matplotlib.rc_context({"svg.hashsalt": "report"}):
        for kind in KINDS:
            figure.savefig(taken := BytesIO(), format=kind, metadata=UNDATED[kind])
            files[kind] = taken.getvalue()
    return files


def _literal(text: str) -> str:
    """For matplotlib, which reads what stands between dollars as mathematics."""
    return text.replace("$", r"\$")
