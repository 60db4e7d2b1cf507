"""The means of a study."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..experiments.table import INFINITE, UNMEASURED
from .captions import model_of, setting, variants
from .columns import COST, Column
from .comparison import Line, Study
from .intervals import Mean, mean, median, rate
from .tables import Cell, Head, Sheet, decimals, number, text, whole

Means = Mapping[Column, Sequence[Mean]]  # of each line


def scores(study: Study, name: str) -> Sheet:
    """Means with intervals; an edition for every task."""
    digits = {column: decimals(one.value for one in found) for column, found in means(study, study.ids).items()}
    several = len({model_of(line) for line in study.lines}) > 1
    bodies = {task: tuple(_rows(study, ids, digits, several)) for task, ids in study.tasks.items()}
    head = [Head("row", number=False), *([Head("model", number=False)] if several else []), Head("n"), Head("failed")]
    heads = (*head, *(Head(column.head) for column in study.columns))
    notes = (setting(study), *sessions(study), *variants(study.columns), *_remarks(study))
    title = "means with 95 % intervals: Wilson's for rates, else bootstrap"
    return Sheet(name, study.title, title, heads, bodies, "task", notes)


def means(study: Study, ids: Sequence[str]) -> Means:
    """Over the samples among ``ids`` that have a number."""
    return {column: [mean_of(study, line, column, ids) for line in study.lines] for column in study.columns}


def mean_of(study: Study, line: Line, column: Column, ids: Sequence[str]) -> Mean:
    """Over the samples among ``ids`` that have a finite number; turns of one session are resampled together."""
    numbers = {id: value for id, value in line.numbers(column, ids).items() if math.isfinite(value)}
    found_in = [study.session[id] for id in numbers]
    if column.is_rate and len(set(found_in)) == len(found_in):
        return rate([bool(value) for value in numbers.values()])
    return (median if column.by_median else mean)([*numbers.values()], found_in)


def sessions(study: Study) -> Iterator[str]:
    """What intervals mean where samples depend on each other."""
    if len(study.last) < len(study.ids):
        yield "Turns of one session are resampled together."


def missing(line: Line, column: Column, ids: Sequence[str]) -> Counter[str]:
    """Why samples that were edited have no number that a mean can be taken of, and how many."""
    if column not in line.measured:
        return Counter()
    here = [line.outcomes[id] for id in ids if id in line.outcomes]
    without = [outcome for outcome in here if not outcome.reason and column.name not in outcome.numbers]
    found = Counter(outcome.missing.get(column.name, UNMEASURED) for outcome in without)
    return found + Counter(INFINITE for value in line.numbers(column, ids).values() if math.isinf(value))


def _rows(
    study: Study, ids: Sequence[str], digits: Mapping[Column, int], with_model: bool
) -> Iterator[tuple[Cell, ...]]:
    found = means(study, ids)
    for index, line in enumerate(study.lines):
        here = [line.outcomes[id] for id in ids if id in line.outcomes]
        failed = sum(bool(outcome.reason) for outcome in here)
        model = [text(model_of(line))] if with_model else []
        numbers = []
        for column, of_lines in found.items():
            mark = "best" if _is_best(of_lines[index], of_lines, column) else ""
            note = "; ".join(f"{count} missing: {reason}" for reason, count in missing(line, column, ids).items())
            numbers.append(number(of_lines[index], digits[column], mark, note))
        yield text(line.label), *model, whole(len(here) - failed), whole(failed), *numbers


def _is_best(one: Mean, of_lines: Sequence[Mean], column: Column) -> bool:
    values = {other.value for other in of_lines}
    if column in COST or len(values) < 2 or len({other.n for other in of_lines}) > 1:  # of other samples: no contest
        return False
    return one.value == (max if column.higher_is_better else min)(values)


def _remarks(study: Study) -> Iterator[str]:
    """Whatever there is no number for."""
    for line in study.lines:
        for column in study.columns:
            for reason, count in missing(line, column, study.ids).items():
                yield f"{line.label}, {column.label}: {count} missing ({reason})."
        for reason, count in Counter(one.reason for one in line.outcomes.values() if one.reason).items():
            yield f"{line.label}: {count} failed ({reason})."
        for reason, count in Counter(why for one in line.outcomes.values() for why in one.undecided).items():
            yield f"{line.label}: {count} of the early filter's comparisons undecided ({reason})."
        if line.unfinished:
            yield f"{line.label}: {line.unfinished} not finished."
    yield from study.remarks
