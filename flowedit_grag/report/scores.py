"""The means of a comparison, alone and beside a paper's."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from ..errors import InputError
from ..experiments.published import PublishedTable, published
from ..experiments.table import INFINITE, UNMEASURED, directed
from ..files import fingerprint
from ..lora_moe.files import read_adapter
from ..lora_moe.locate import FILE_NAME, is_hub_id
from .comparison import COST, Column, Comparison, Row, variants
from .intervals import Mean, mean, median, rate
from .tables import NOTHING, Cell, Header, Table, decimals, number

BOLD = "Bold: the best number of its column. Whether it is better than another, the paired differences say."


def scores(comparison: Comparison, name: str) -> Table:
    """Means with intervals; an edition for every task."""
    own, digits = _own_columns(comparison), digits_of(comparison)
    bodies = {task: tuple(_rows(comparison, ids, digits, own)) for task, ids in comparison.tasks.items()}
    head = (*own, Header("n"), Header("failed"), *(Header(column.head) for column in comparison.columns))
    notes = (comparison.setting, BOLD, *variants(comparison.columns), *_remarks(comparison))
    title = "means with 95 % intervals: Wilson's for rates, else bootstrap"
    return Table(name, comparison.title, title, head, bodies, "task", notes)


def _own_columns(comparison: Comparison) -> dict[Header, list[Cell]]:
    """What rows are: their names and, where there are several or any, their models and their adapters' parameters."""
    own = {Header("row", number=False): [Cell(line.label) for line in comparison.lines]}
    if len({line.model for line in comparison.lines}) > 1:
        own[Header("model", number=False)] = [Cell(line.model) for line in comparison.lines]
    counts = [parameters(line) for line in comparison.lines]
    if any(count != 0 for count in counts):
        own[Header("adapter's parameters")] = [Cell(NOTHING) if n is None else _count(n) for n in counts]
    return own


def parameters(line: Row) -> int | None:
    """How many weights a row's adapter has, 0 without one; ``None`` where its file is not on this machine, or is not
    what the edits were made with."""
    if not (adapter := line.made_with.get("adapter")):
        return 0
    place = adapter["name"]
    if is_hub_id(place):  # what was downloaded for the run, if it was: a report downloads nothing
        place = Path(str(try_to_load_from_cache(place, FILE_NAME)))
    try:
        found = read_adapter(place)
    except InputError:
        return None
    if fingerprint(found.path) != adapter["files"]:
        return None
    tensors = [tensor for part in found.modules.values() for tensor in (*part.a.values(), *part.b.values(), part.route)]
    return sum(tensor.numel() for tensor in tensors if tensor is not None)


def means(comparison: Comparison, ids: Sequence[str]) -> dict[Column, list[Mean]]:
    """Of each line, over the samples among ``ids`` that have a number."""
    return {
        column: [mean_of(comparison, line, column, ids) for line in comparison.lines] for column in comparison.columns
    }


def digits_of(comparison: Comparison) -> dict[Column, int]:
    """How many decimals the numbers of each column have."""
    return {column: decimals(one.value for one in of) for column, of in means(comparison, comparison.ids).items()}


def mean_of(comparison: Comparison, line: Row, column: Column, ids: Sequence[str]) -> Mean:
    """Over the samples among ``ids`` that have a finite number; turns of one session are resampled together."""
    return averaged(comparison, column, line.numbers(column, ids), rate)


def averaged(
    comparison: Comparison, column: Column, numbers: Mapping[str, float], of_rates: Callable[[Sequence[float]], Mean]
) -> Mean:
    """The mean (or median) of those ``numbers`` by sample that are finite; ``of_rates`` takes those of rates, unless
    some samples are turns of one session."""
    finite = {id: value for id, value in numbers.items() if math.isfinite(value)}
    found_in, values = [comparison.session[id] for id in finite], [*finite.values()]
    if column.is_rate and len(set(found_in)) == len(found_in):
        return of_rates(values)
    return (median if column.by_median else mean)(values, found_in)


def missing(line: Row, column: Column, ids: Sequence[str]) -> Counter[str]:
    """Why samples that were edited have no number that a mean can be taken of, and how many."""
    if column not in line.measured:
        return Counter()
    here = [line.outcomes[id] for id in ids if id in line.outcomes]
    without = [outcome for outcome in here if not outcome.reason and column.name not in outcome.numbers]
    found = Counter(outcome.missing.get(column.name, UNMEASURED) for outcome in without)
    return found + Counter(INFINITE for value in line.numbers(column, ids).values() if math.isinf(value))


def _rows(
    comparison: Comparison, ids: Sequence[str], digits: Mapping[Column, int], own: Mapping[Header, Sequence[Cell]]
) -> Iterator[tuple[Cell, ...]]:
    found = means(comparison, ids)
    for index, line in enumerate(comparison.lines):
        here = [line.outcomes[id] for id in ids if id in line.outcomes]
        failed = sum(bool(outcome.reason) for outcome in here)
        numbers = []
        for column, of_lines in found.items():
            mark = "best" if _is_best(of_lines[index], of_lines, column) else ""
            note = "; ".join(f"{count} missing: {reason}" for reason, count in missing(line, column, ids).items())
            numbers.append(number(of_lines[index], digits[column], mark, note))
        about = (cells[index] for cells in own.values())
        yield *about, _count(len(here) - failed), _count(failed), *numbers


def _count(value: int) -> Cell:
    return Cell(f"{value:,}", value=float(value))


def _is_best(one: Mean, of_lines: Sequence[Mean], column: Column) -> bool:
    values = {other.value for other in of_lines}
    if column in COST or column.higher_is_better is None or len(values) < 2:
        return False
    if len({other.n for other in of_lines}) > 1:  # of other samples: no contest
        return False
    return one.value == (max if column.higher_is_better else min)(values)


def _remarks(comparison: Comparison) -> Iterator[str]:
    """Whatever there is no number for."""
    for line in comparison.lines:
        for column in comparison.columns:
            for reason, count in missing(line, column, comparison.ids).items():
                yield f"{line.label}, {column.label}: {count} missing ({reason})."
        for reason, count in Counter(one.reason for one in line.outcomes.values() if one.reason).items():
            yield f"{line.label}: {count} failed ({reason})."
        for reason, count in Counter(why for one in line.outcomes.values() for why in one.undecided).items():
            yield f"{line.label}: {count} of the early filter's comparisons undecided ({reason})."
        if unfinished := sum(item.row == line.row for item in line.run.manifest.items) - len(line.outcomes):
            yield f"{line.label}: {unfinished} not finished."
    yield from comparison.remarks


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
        rows += [_paper_row(comparison, paper, name, line) for line in found or [None]]
    groups = [directed(column.label, column.higher_is_better) for column in paper.columns]
    headers = [Header(text, group) for group in groups for text in ("paper", "ours")]
    turns = ["Ours: over the last turn of each session."] if len(comparison.last) < len(comparison.ids) else []
    notes = (f"Paper: {paper.setting}.", f"Ours: {comparison.setting}", *turns, *_paper_notes(paper, lines))
    title = f"{paper.source}, as printed, and ours with 95 % intervals"
    return Table(id, comparison.title, title, (Header("row", number=False), *headers), {"": tuple(rows)}, notes=notes)


def _paper_row(comparison: Comparison, paper: PublishedTable, row: str, line: Row | None) -> tuple[Cell, ...]:
    printed = paper.rows.get(row, (None,) * len(paper.columns))
    cells = [Cell(_label(paper, row, line))]
    for column, digits in zip(paper.columns, printed, strict=True):
        cells.append(Cell(NOTHING) if digits is None else Cell(digits, value=float(digits)))
        if line is None or (measured := line.column(column.metrics)) is None:
            cells.append(Cell(NOTHING))
        else:
            found = mean_of(comparison, line, measured, comparison.last)
            cells.append(number(found, decimals([found.value]), note=f"{found.n} samples"))
    return tuple(cells)


def _label(paper: PublishedTable, row: str, line: Row | None) -> str:
    if line is None or line.label.casefold() == row.casefold():
        return row
    return f"{row} ({line.label})" if row in paper.rows else line.label


def _paper_notes(paper: PublishedTable, lines: list[Row]) -> Iterator[str]:
    """Which of our metrics stands for a column, and exactly what it is."""
    for column in paper.columns:
        found = dict.fromkeys(one for line in lines if (one := line.column(column.metrics)))
        if found:
            yield f"{column.label}, ours: {'; '.join(f'{one.name}, {one.variant}' for one in found)}."
        elif column.metrics:
            yield f"{column.label}, ours: not measured ({' or '.join(column.metrics)} would be)."
        else:
            yield f"{column.label}: there is no such metric here."
