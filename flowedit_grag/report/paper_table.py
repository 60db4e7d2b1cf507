"""A paper's table with ours in it."""

from collections.abc import Iterator

from ..experiments.published import PublishedColumn, PublishedTable, published
from ..experiments.table import DOWN, UP
from .captions import setting
from .comparison import Line, Study
from .scores import mean_of
from .tables import NOTHING, Cell, Head, Sheet, decimals, number, text


def comparisons(study: Study, name: str) -> list[Sheet]:
    """A table for every published one that a config of the study names."""
    papers = dict.fromkeys(paper for run in study.runs if (paper := run.config.get("paper")))
    return [_comparison(study, published(paper), f"{name}-{paper}") for paper in papers]


def _comparison(study: Study, paper: PublishedTable, id: str) -> Sheet:
    lines = [line for line in study.lines if line.run.config.get("paper") == paper.name]
    ours = [(paper.find(line.row) or line.row, line) for line in lines]
    rows = []
    for name in dict.fromkeys([*paper.rows, *(name for name, _ in ours)]):
        found: list[Line | None] = [line for row, line in ours if row == name]
        rows += [_row(study, paper, name, line) for line in found or [None]]
    groups = [f"{column.label} {UP if column.higher_is_better else DOWN}" for column in paper.columns]
    heads = [Head(text, group) for group in groups for text in ("paper", "ours")]
    turns = ["Ours: over the last turn of each session."] if len(study.last) < len(study.ids) else []
    notes = (f"Paper: {paper.setting}.", f"Ours: {setting(study)}", *turns, *_notes(paper, lines))
    title = f"{paper.source}, as printed, and ours with 95 % intervals"
    return Sheet(id, study.title, title, (Head("row", number=False), *heads), {"": tuple(rows)}, notes=notes)


def _row(study: Study, paper: PublishedTable, row: str, line: Line | None) -> tuple[Cell, ...]:
    printed = paper.rows.get(row, (None,) * len(paper.columns))
    cells = [text(_label(paper, row, line))]
    for column, digits in zip(paper.columns, printed, strict=True):
        cells.append(Cell(NOTHING) if digits is None else Cell(digits, value=float(digits)))
        cells.append(Cell(NOTHING) if line is None else _ours(study, column, line))
    return tuple(cells)


def _label(paper: PublishedTable, row: str, line: Line | None) -> str:
    if line is None or line.label.casefold() == row.casefold():
        return row
    return f"{row} ({line.label})" if row in paper.rows else line.label


def _ours(study: Study, column: PublishedColumn, line: Line) -> Cell:
    if (measured := line.column(column.metrics)) is None:
        return Cell(NOTHING)
    found = mean_of(study, line, measured, study.last)
    return number(found, decimals([found.value]), note=f"{found.n} samples")


def _notes(paper: PublishedTable, lines: list[Line]) -> Iterator[str]:
    """Which of our metrics stands for a column, and exactly what it is."""
    for column in paper.columns:
        found = dict.fromkeys(one for line in lines if (one := line.column(column.metrics)))
        if found:
            yield f"{column.label}, ours: {'; '.join(f'{one.name}, {one.variant}' for one in found)}."
        elif column.metrics:
            yield f"{column.label}, ours: not measured ({' or '.join(column.metrics)} would be)."
        else:
            yield f"{column.label}: there is no such metric here."
