"""Runs side by side: those on one benchmark share tables, whose columns are measures, and their samples are paired."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..errors import InputError
from ..experiments.datasets import dataset
from ..experiments.samples import Sample
from ..experiments.table import directed
from ..metrics import metrics
from .runs import RIGHT_OF, Outcome, Run

ALL, LAST = "all tasks", "last turns"
CHANGED = (
    "Other runs edited other pictures under the same names, and are not compared with these; sources, masks and truths "
    "are shown as the benchmark has them now."
)


@dataclass(frozen=True)
class Column:
    """A measure. Two of one name that were set up differently are two columns."""

    name: str
    higher_is_better: bool | None  # None: neither is
    variant: str
    source: str = ""
    label: str = field(default="", compare=False)
    is_rate: bool = False  # only says 1 or 0
    by_median: bool = False  # not by the mean, which one sample far off would carry away

    @property
    def head(self) -> str:
        """What stands over it in a table."""
        return directed(f"{'median ' if self.by_median else ''}{self.label}", self.higher_is_better)


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


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a run. ``settings`` are as in its config; ``outcomes`` are by sample."""

    label: str
    row: str
    run: Run
    outcomes: Mapping[str, Outcome]
    measured: tuple[Column, ...]

    @property
    def settings(self) -> Mapping:
        return self.run.config["methods"][self.row]

    @property
    def made_with(self) -> Mapping:
        """All that its edits depend on besides the sample, options with the model's own and defaults."""
        return self.run.manifest.made_with[self.row]

    @property
    def model(self) -> str:
        """The model, and the adapter on it."""
        own, run = self.settings, self.run.config
        adapter = own.get("adapter", run.get("adapter"))
        return str(own.get("model", run.get("model"))) + (f" with {adapter}" if adapter else "")

    def column(self, names: Iterable[str]) -> Column | None:
        """The first of ``names`` that the run measured."""
        return next((column for name in names for column in self.measured if column.name == name), None)

    def numbers(self, column: Column, ids: Iterable[str]) -> dict[str, float]:
        """Of the samples among ``ids`` that have one."""
        if column not in self.measured:
            return {}
        of = {id: self.outcomes[id].numbers for id in ids if id in self.outcomes}
        return {id: numbers[column.name] for id, numbers in of.items() if column.name in numbers}


@dataclass(frozen=True, eq=False)  # so that it can be hashed
class Comparison:
    """Runs on one benchmark.

    Attributes:
        samples: as the benchmark has them, by id; none where it cannot be opened here.
        ids: of all samples that a run was to edit, in the benchmark's order.
        remarks: sentences on what is not there.
    """

    title: str
    lines: tuple[Row, ...]
    columns: tuple[Column, ...]
    samples: Mapping[str, Sample]
    ids: tuple[str, ...]
    remarks: tuple[str, ...]

    @cached_property
    def runs(self) -> list[Run]:
        return list({line.run.name: line.run for line in self.lines}.values())

    def named(self, names: Sequence[str]) -> list[Column]:
        """The columns called so, in the order of ``names``; of two of one name the first."""
        first = {column.name: column for column in reversed(self.columns)}
        return [first[name] for name in names if name in first]

    @property
    def setting(self) -> str:
        """What all numbers of a table have in common."""
        models = ", ".join(dict.fromkeys(line.model for line in self.lines))
        seeds = ", ".join(dict.fromkeys(str(run.config.get("seed", 0)) for run in self.runs))
        turns = " Turns of one session are resampled together." if len(self.last) < len(self.ids) else ""
        return f"Benchmark: {self.title}, {len(self.ids)} samples. Model: {models}. Seed: {seeds}.{turns}"

    @cached_property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """Ids by task, all of them first; no further entries where there is but one task."""
        task = {id: outcome.task for line in self.lines for id, outcome in line.outcomes.items()}
        names = list(dict.fromkeys(task[id] for id in self.ids if task.get(id)))
        of_task = {name: tuple(id for id in self.ids if task.get(id) == name) for name in names}
        last = {LAST: self.last} if len(self.last) < len(self.ids) else {}
        return {ALL: self.ids, **last, **(of_task if len(names) > 1 else {})}

    @cached_property
    def entries(self) -> dict[str, list[str]]:
        """By id, which of :attr:`tasks` it is in."""
        of = {name: {*ids} for name, ids in self.tasks.items()}
        return {id: [name for name, ids in of.items() if id in ids] for id in self.ids}

    @cached_property
    def last(self) -> tuple[str, ...]:
        """Ids whose result no other sample goes on with: all, or the last turn of every session."""
        gone_on_with = {item.previous for run in self.runs for item in run.manifest.items}
        return tuple(id for id in self.ids if id not in gone_on_with)

    @cached_property
    def session(self) -> dict[str, str]:
        """By id, the first sample of the session that it is a turn of."""
        first: dict[str, str] = {}
        for item in (item for run in self.runs for item in run.manifest.items):  # every turn after its previous
            first[item.sample] = item.sample if item.previous is None else first[item.previous]
        return first

    @property
    def failures(self) -> list[tuple[str, Outcome]]:
        """The failed samples, each with its line's label."""
        return [(line.label, one) for line in self.lines for one in line.outcomes.values() if one.reason]


def comparisons(runs: Sequence[Run]) -> list[Comparison]:
    """A comparison for every benchmark. Raises :class:`InputError` for metrics that are not known here."""
    of: dict[str, list[list[Run]]] = {}
    for run in runs:
        groups = of.setdefault(json.dumps(run.config["dataset"], sort_keys=True, default=str), [])
        group = next((group for group in groups if all(_same_pictures(run, other) for other in group)), None)
        if group is None:
            groups.append(group := [])
        group.append(run)
    found = [_comparison(group, len(groups) > 1) for groups in of.values() for group in groups]
    titles = [comparison.title for comparison in found]
    for index, title in enumerate(titles):
        if titles.count(title) > 1:  # benchmarks of one name with other options
            names = ", ".join(run.name for run in found[index].runs)
            found[index] = replace(found[index], title=f"{title}: {names}")
    return found


def _same_pictures(run: Run, other: Run) -> bool:
    """Whether what two runs edited under one id was one picture."""
    return all(other.sources.get(id, source) == source for id, source in run.sources.items())


def _comparison(runs: Sequence[Run], has_changed: bool = False) -> Comparison:
    """Of ``runs`` on one benchmark, which ``has_changed`` where others edited other pictures under the same ids."""
    measured = {run.name: _measured(run) for run in runs}
    columns = _labelled([*dict.fromkeys(column for run in runs for column in measured[run.name]), *COST])
    title, samples, remarks = _opened(runs[0].config["dataset"])
    lines = []
    for run in runs:
        own = tuple(column for column in columns if column in (*measured[run.name], *COST))
        for row, outcomes in run.outcomes.items():
            lines.append(Row(row if len(runs) == 1 else f"{run.name}: {row}", row, run, outcomes, own))
    asked = list(dict.fromkeys(item.sample for run in runs for item in run.manifest.items))
    ids = tuple(id for id in samples if id in set(asked)) if samples else tuple(asked)
    remarks = [*remarks, *([CHANGED] if has_changed else []), *(said for run in runs for said in run.remarks)]
    return Comparison(title, tuple(lines), columns, samples, ids, tuple(remarks))


def _measured(run: Run) -> list[Column]:
    """The metrics of a run's config, and what follows from them."""
    try:
        found = [
            Column(one.name, one.higher_is_better, one.variant, one.source, is_rate=getattr(one, "is_rate", False))
            for one in metrics(run.config["metrics"])
        ]
    except InputError as error:
        raise InputError(f"{run.folder / 'config.yaml'}: {error}") from None
    names = [column.name for column in found]
    if all(name in names for name in RIGHT_OF):
        found.insert(1 + max(map(names.index, RIGHT_OF)), RIGHT)
    return found


def _labelled(columns: Sequence[Column]) -> tuple[Column, ...]:
    """With a number behind a name that comes again."""
    seen: dict[str, int] = {}
    labelled = []
    for column in columns:
        seen[column.name] = count = seen.get(column.name, 0) + 1
        labelled.append(replace(column, label=column.label or column.name + (f" ({count})" if count > 1 else "")))
    return tuple(labelled)


def _opened(section: Mapping) -> tuple[str, dict[str, Sample], list[str]]:
    """Title and samples of the benchmark that a config's section ``dataset`` names, and why there are none."""
    try:
        found = dataset(section["name"], **{key: value for key, value in section.items() if key != "name"})
    except InputError as error:
        return str(section["name"]), {}, [f"Sources, masks and truths are not shown: {error}"]
    return found.name, {sample.id: sample for sample in found}, []
