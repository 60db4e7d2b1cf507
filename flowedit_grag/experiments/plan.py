"""From a config to items: one sample for one row of the table, each with the hash of what determines it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..backbone.model_info import model_info
from ..errors import InputError
from ..hidden import shown
from ..methods import Method
from ..methods.frame import frame_of
from ..methods.resolve import resolve_method, turned_by
from ..methods.strength import DELTA
from ..progress import OnProgress, Progress
from ..result import plain
from . import fingerprint
from .config import RunConfig
from .manifest import pinned_revisions
from .rows import RowConfig, filter_settings
from .samples import Dataset, Sample, noise_seed

EVERY = 100  # items between reports of progress


@dataclass(frozen=True, eq=False)
class WorkItem:
    """One edit. Can be pickled.

    Attributes:
        key_inputs: all that the edit depends on; ``key`` is its hash.
        truth: hash of what the edit is measured against.
        group: names of the rows that are computed in one batch for this sample, in order; its own among them.
        previous: the item whose result is edited, in a session of edits.
    """

    row: RowConfig
    sample: Sample
    key: str
    key_inputs: Mapping[str, Any]
    truth: str
    group: tuple[str, ...]
    previous: "WorkItem | None" = None

    @property
    def seed(self) -> int:
        """Of the edit's noise."""
        return noise_seed(self.key_inputs["seed"], self.sample.id)

    @property
    def commit(self) -> str | None:
        """Of the hub's model, when the run was planned; ``None`` for a model on this machine."""
        return self.key_inputs["model"].get("commit")


def work_items(
    config: RunConfig, limit: int | None = None, on_progress: OnProgress | None = None
) -> tuple[WorkItem, ...]:
    """The items of a run, of the first ``limit`` samples, in the order in which they are best worked on. A session that
    the limit would cut is left out, unless it is the first.

    Rows of one network come together, because one is loaded at a time; among these sample by sample, so that a run
    that is stopped has compared its rows on the same samples. No weights are loaded. A hub's model is the one that the
    run in ``config.out`` was begun with, or else what the hub has now.
    Raises :class:`InputError` for a benchmark that cannot be opened, and a method that does not suit its model.
    """
    report = on_progress or (lambda made: None)
    samples = _first(config.samples, limit)
    networks = [
        list(_planned([row for row in config.rows if row.network == network], config))
        for network in dict.fromkeys(row.network for row in config.rows)
    ]
    own: dict[str, tuple[dict[str, Any], str]] = {}  # of each sample: what an edit of it depends on, and its truth
    made: dict[tuple[str, str], WorkItem] = {}
    count = len(samples) * len(config.rows)
    report(Progress("plan", 0, count))
    for rows in networks:
        for sample in samples:
            if sample.id not in own:
                own[sample.id] = fingerprint.of_sample(sample), fingerprint.of_truth(sample)
            edited, truth = own[sample.id]
            for row, inputs, group in rows:
                before = None if sample.previous is None else made[row.name, sample.previous]
                picture = {} if before is None else {"image": before.key}
                inputs = {**inputs, "seed": config.seed, "sample": {**edited, **picture}}
                key = fingerprint.digest(inputs)
                made[row.name, sample.id] = WorkItem(row, sample, key, inputs, truth, group, before)
                if len(made) % EVERY == 0 or len(made) == count:
                    report(Progress("plan", len(made), count))
    return tuple(made.values())


def _first(samples: Sequence[Sample], limit: int | None) -> Sequence[Sample]:
    if limit is None or limit >= len(samples):
        return samples[:]
    begins = [index for index, sample in enumerate(samples) if sample.previous is None]
    whole = [index for index in (*begins, len(samples)) if index <= limit]
    return samples[: whole[-1] or limit]


def _check_words(method: Method, row: RowConfig, samples: Dataset) -> None:
    """Raise :class:`InputError` where the benchmark has not what the method is to be told, in any sample."""
    captions = frame_of(method).takes_captions
    needed = ["target_prompt"] if captions else ["instruction"]
    needed += ["instruction"] if row.early_filter and captions else []  # for the judge
    for name in needed:
        if not any(getattr(sample, name) for sample in samples):
            raise InputError(f"no sample of {samples.name} has the {name} that {row.method} works from.")


def _planned(
    rows: Sequence[RowConfig], config: RunConfig
) -> Iterator[tuple[RowConfig, dict[str, Any], tuple[str, ...]]]:
    """Of each of the rows of one network: itself, what all its edits depend on, and its group."""
    at = pinned_revisions(Path(config.out)).get(shown(rows[0].model))
    known: Any = model_info(rows[0].model, at, rows[0].adapter)  # stands for the Flow in what follows
    network: dict[str, Any] = {
        "version": fingerprint.VERSION,
        "model": {**fingerprint.of_model(known), "name": shown(rows[0].model)},
        "adapter": fingerprint.of_adapter(rows[0].adapter),
        "loading": fingerprint.of_loading(config.loading),
    }
    methods = {row.name: _checked_method(row, known, config) for row in rows}
    groups = {name: group for group in _groups(rows, methods, config) for name in group}
    for row in rows:
        key_inputs = {**network, "method": row.method, "options": _options(row, methods[row.name], known)}
        if row.early_filter is not None:
            early = filter_settings(row.early_filter.suited(known.profile))
            key_inputs["early_filter"] = {**early, **fingerprint.of_judge(early["judge"])}
        if len(group := groups[row.name]) > 1:  # a row of a batch is not equal, bit for bit, to one that is alone
            key_inputs["group"] = [plain(methods[name].control) for name in group]
        yield row, key_inputs, group


def _options(row: RowConfig, method: Method, known: Any) -> dict[str, Any]:
    """All options of a row's method; where a strength turns one of them, both in its place."""
    options = fingerprint.of_method(method)
    if row.options.get("strength") is None:
        return options
    turned = turned_by(method, known, row.options.get("calibrate"))
    if turned.option == DELTA:
        value = (grag := options.pop("grag"))[DELTA]
        options |= {} if grag["lam"] == 1 else {"lam": grag["lam"]}
    else:
        value = options.pop(turned.option)
    return {**options, "strength": {"strength": float(row.options["strength"]), turned.option: value}}


def _checked_method(row: RowConfig, known: Any, config: RunConfig) -> Method:
    with config.lines.at("methods", row.name):
        method = resolve_method(row.method, known, row.grag, row.options)
        method.check_model(known)
        if row.early_filter is not None:
            row.early_filter.check(method)
        _check_words(method, row, config.samples)
    return method


def _groups(rows: Sequence[RowConfig], methods: Mapping[str, Method], config: RunConfig) -> Iterator[tuple[str, ...]]:
    """Rows that differ in nothing but their control share the inversion and the source's row, ``batch_rows`` of them at
    a time. No groups in sessions, where each row goes on from a picture of its own."""
    alike: list[tuple[Any, list[str]]] = []
    alone = any(sample.previous is not None for sample in config.samples)
    for row in rows:
        method, rest = methods[row.name], None
        if method.takes_control and row.early_filter is None and not alone:
            rest = row.method, replace(method, control=None)
        same = next((names for other, names in alike if rest is not None and other == rest), None)
        if same is None:
            alike.append((rest, same := []))
        same.append(row.name)
    for _, names in alike:
        for start in range(0, len(names), config.batch_rows):
            yield tuple(names[start : start + config.batch_rows])
