"""Measures, each a column of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..experiments.table import DOWN, UP


@dataclass(frozen=True)
class Column:
    """A measure. Two of one name that were set up differently are two columns."""

    name: str
    higher_is_better: bool
    variant: str
    source: str = ""
    label: str = field(default="", compare=False)
    is_rate: bool = False  # only says 1 or 0
    by_median: bool = False  # not by the mean, which one sample far off would carry away

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return UP if self.higher_is_better else DOWN

    @property
    def head(self) -> str:
        """What stands over it in a table."""
        return f"{'median ' if self.by_median else ''}{self.label} {self.arrow}"


TIME = "wall-clock time of the edit, without loading; the median of the samples, or of their differences"
COST = (
    Column("nfe", False, "transformer evaluations x batch rows", label="NFE"),
    Column("seconds", False, TIME, label="s", by_median=True),
)
RIGHT = Column("right", True, "what was asked is reached (lab_success) and all else is kept (lab_kept)", is_rate=True)


def variants(columns: Sequence[Column]) -> Iterator[str]:
    """Backbone, variant and source of each column."""
    for column in columns:
        source = f" Source: {column.source}." if column.source else ""
        yield f"{column.label}: {column.variant or 'no variant stated'}.{source}"
