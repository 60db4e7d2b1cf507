"""A paper's table with ours in it."""

from collections.abc import Iterator

from ..experiments.published import PublishedColumn, PublishedTable, published
from ..experiments.table import DOWN, UP
from .comparison import Comparison, Row
from .scores import mean_of
from .tables import NOTHING, Cell, Header, Table, decimals, number


def paper_tables(comparison: Comparison, name: str) -> list[Table]:
    """A table for every published one that a config of the comparison names."""
    papers = dict.fromkeys(paper for run in comparison.runs if (paper := run.config.get("paper")))
    return [_paper_table(comparison, published(paper), f"{name}-{paper}") for paper in papers]


def _paper_table(comparison: Comparison, paper: PublishedTable, id: str) -> Table:
    lines = [line for line in comparison.lines if line.run.config.get("paper") == paper.name]
    ours = [(paper.find(line.row) or line.row, line) for line in lines]
    rows = []
    for name in dict.fromkeys([*paper.rows, *(name for name, _ in ours)]):
        found: list[Row | None] = [line for row, line in ours if row == name]
        rows += [_row(comparison, paper, name, line) for line in found or [None]]
    groups = [f"{column.label} {UP if column.higher_is_better else DOWN}" for column in paper.columns]
    headers = [Header(text, group) for group in groups for text in ("paper", "ours")]
    turns = ["Ours: over the last turn of each session."] if len(comparison.last) < len(comparison.ids) else []
    notes = (f"Paper: {paper.setting}.", f"Ours: {comparison.setting}", *turns, *_notes(paper, lines))
    title = f"{paper.source}, as printed, and ours with 95 % intervals"
    return Table(id, comparison.title, title, (Header("row", number=False), *headers), {"": tuple(rows)}, notes=notes)


def _row(comparison: Comparison, paper: PublishedTable, row: str, line: Row | None) -> tuple[Cell, ...]:
    printed = paper.rows.get(row, (None,) * len(paper.columns))
    cells = [Cell(_label(paper, row, line))]
    for column, digits in zip(paper.columns, printed, strict=True):
        cells.append(Cell(NOTHING) if digits is None else Cell(digits, value=float(digits)))
        cells.append(Cell(NOTHING) if line is None else _ours(comparison, column, line))
    return tuple(cells)


def _label(paper: PublishedTable, row: str, line: Row | None) -> str:
    if line is None or line.label.casefold() == row.casefold():
        return row
    return f"{row} ({line.label})" if row in paper.rows else line.label


def _ours(comparison: Comparison, column: PublishedColumn, line: Row) -> Cell:
    if (measured := line.column(column.metrics)) is None:
        return Cell(NOTHING)
    found = mean_of(comparison, line, measured, comparison.last)
    return number(found, decimals([found.value]), note=f"{found.n} samples")


def _notes(paper: PublishedTable, lines: list[Row]) -> Iterator[str]:
    """Which of our metrics stands for a column, and exactly what it is."""
    for column in paper.columns:
        found = dict.fromkeys(one for line in lines if (one := line.column(column.metrics)))
        if found:
            yield f"{column.label}, ours: {'; '.join(f'{one.name}, {one.variant}' for one in found)}."
        elif column.metrics:
            yield f"{column.label}, ours: not measured ({' or '.join(column.metrics)} would be)."
        else:
            yield f"{column.label}: there is no such metric here."
