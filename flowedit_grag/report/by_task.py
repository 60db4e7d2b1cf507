"""Which row for which task: how often edits are right, and where one row is so more often than all others."""

from collections.abc import Sequence

from .columns import RIGHT
from .comparison import Comparison, Row
from .differences import paired
from .intervals import FEWEST, Mean
from .scores import mean_of, sessions
from .tables import Cell, Header, Table, number, text

SURELY = (
    "Bold: more often than every other row, with the interval of each paired difference above 0 "
    f"({FEWEST} samples or sessions, or more)."
)


def by_task(comparison: Comparison, name: str) -> Table | None:
    """How often rows are right, task by task; ``None`` where that was not measured or there is but one task."""
    lines = [line for line in comparison.lines if RIGHT in line.measured]
    if not lines or len(comparison.tasks) < 2:
        return None
    tasks = {task: [mean_of(comparison, line, RIGHT, ids) for line in lines] for task, ids in comparison.tasks.items()}
    best = {task: _surely_best(comparison, lines, ids) for task, ids in comparison.tasks.items()}
    rows = tuple(
        (text(line.label), *(_share(found[index], best[task] is line) for task, found in tasks.items()))
        for index, line in enumerate(lines)
    )
    headers = (Header("row", number=False), *(Header(f"{task}, %") for task in tasks))
    return Table(name, comparison.title, "right edits by task, with 95 % intervals", headers, {"": rows}, notes=(
        comparison.setting, f"Right: {RIGHT.variant}. {SURELY}", *sessions(comparison)))  # fmt: skip


def _surely_best(comparison: Comparison, lines: Sequence[Row], ids: Sequence[str]) -> Row | None:
    """The row that is right more often than every other, with the interval of each difference above 0."""
    for line in lines:
        gaps = [paired(comparison, line, other, RIGHT, ids) for other in lines if other is not line]
        if gaps and all(gap.is_enough and gap.low > 0 for gap in gaps):
            return line
    return None


def _share(found: Mean, is_best: bool) -> Cell:
    percent = Mean(100 * found.value, 100 * found.low, 100 * found.high, found.n, found.groups)
    return number(percent, 0, "best" if is_best else "", f"{found.n} samples")
