"""What a table says of itself: on what, with which model, and what exactly each column is."""

from collections.abc import Iterator, Sequence

from .columns import Column
from .comparison import Comparison, Row


def setting(comparison: Comparison) -> str:
    """What all numbers of a table have in common."""
    models = ", ".join(dict.fromkeys(model_of(line) for line in comparison.lines))
    seeds = ", ".join(dict.fromkeys(str(run.config.get("seed", 0)) for run in comparison.runs))
    return f"Benchmark: {comparison.title}, {len(comparison.ids)} samples. Model: {models}. Seed: {seeds}."


def model_of(line: Row) -> str:
    """The model, and the adapter on it."""
    own, run = line.settings, line.run.config
    adapter = own.get("adapter", run.get("adapter"))
    return str(own.get("model", run.get("model"))) + (f" with {adapter}" if adapter else "")


def variants(columns: Sequence[Column]) -> Iterator[str]:
    """Backbone, variant and source of each column."""
    for column in columns:
        source = f" Source: {column.source}." if column.source else ""
        yield f"{column.label}: {column.variant or 'no variant stated'}.{source}"
