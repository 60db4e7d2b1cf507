"""From a config to items: one sample for one row of the table, each with the hash of what determines it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backbone.model_info import model_info
from ..errors import InputError
from ..methods import Method
from ..methods.frame import frame_of
from ..methods.request import EditRequest
from ..methods.resolve import resolve_method
from . import fingerprint
from .config import RunConfig
from .pinned_revisions import pinned_revisions
from .rows import RowConfig, filter_settings
from .samples import Dataset, Sample, noise_seed


@dataclass(frozen=True, eq=False)
class WorkItem:
    """One edit. Can be pickled.

    Attributes:
        seed: of the edit's noise.
        key_inputs: all that the edit depends on; ``key`` is its hash.
        truth: hash of what the edit is measured against.
        previous: the item whose result is edited, in a session of edits.
    """

    row: RowConfig
    sample: Sample
    seed: int
    key: str
    key_inputs: Mapping[str, Any]
    truth: str
    previous: "WorkItem | None" = None

    @property
    def commit(self) -> str | None:
        """Of the hub's model, when the run was planned; ``None`` for a model on this machine."""
        return self.key_inputs["model"].get("commit")


def work_items(config: RunConfig, limit: int | None = None) -> tuple[WorkItem, ...]:
    """The items of a run, of the first ``limit`` samples, in the order in which they are best worked on. A session that
    the limit would cut is left out, unless it is the first.

    Rows of one network come together, because one is loaded at a time; among these sample by sample, so that a run
    that is stopped has compared its rows on the same samples. No weights are loaded. A hub's model is the one that the
    run in ``config.out`` was begun with, or else what the hub has now.
    Raises :class:`InputError` for a benchmark that cannot be opened, and a method that does not suit its model.
    """
    samples = _first(config.samples, limit)
    truths = {sample.id: fingerprint.of_truth(sample) for sample in samples}
    own = {sample.id: fingerprint.of_sample(sample) for sample in samples}
    made: dict[tuple[str, str], WorkItem] = {}
    for rows in _by_network(config.rows):
        of_row = _identities(rows, config)
        for sample in samples:
            for row in rows:
                before = None if sample.previous is None else made[row.name, sample.previous]
                edited = own[sample.id] if before is None else {**own[sample.id], "image": before.key}
                all_of_it = {**of_row[row.name], "seed": config.seed, "sample": edited}
                made[row.name, sample.id] = WorkItem(
                    row, sample, noise_seed(config.seed, sample.id), fingerprint.digest(all_of_it), all_of_it,
                    truths[sample.id], before,
                )  # fmt: skip
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


def _by_network(rows: Sequence[RowConfig]) -> Iterator[list[RowConfig]]:
    for network in dict.fromkeys(row.network for row in rows):
        yield [row for row in rows if row.network == network]


def _identities(rows: Sequence[RowConfig], config: RunConfig) -> dict[str, dict[str, Any]]:
    """For rows of one network, by name: what their edits depend on besides seed and sample."""
    model = rows[0].model
    at = pinned_revisions(Path(config.out)).get(model)
    known: Any = model_info(model, at, rows[0].adapter)  # stands for the Flow in what follows
    network = {
        "version": fingerprint.VERSION,
        "model": fingerprint.of_model(known),
        "adapter": fingerprint.of_adapter(rows[0].adapter),
        "loading": fingerprint.of_loading(config.loading),
    }
    found = {}
    for row in rows:
        with config.lines.at("methods", row.name):
            method = resolve_method(row.method, known, row.grag, row.options)
            method.check_model(known)
            if row.early_filter is not None:
                row.early_filter.check(method, EditRequest())
            _check_words(method, row, config.samples)
        found[row.name] = {**network, "method": row.method, "options": fingerprint.of_method(method)}
        if row.early_filter is not None:
            early = filter_settings(row.early_filter.suited(known.profile))
            found[row.name]["early_filter"] = {**early, **fingerprint.of_judge(early["judge"])}
    return found
