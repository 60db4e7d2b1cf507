"""What is to be done in a run, and what is left of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from . import fingerprint
from .config import RunConfig
from .plan import WorkItem
from .store import Store, current, read_record, read_scores, undecided


@dataclass(frozen=True)
class ItemState:
    """What there is of an item, and what is left.

    Attributes:
        status: of its edit, ``done`` or ``failed``; ``None`` where there is none.
        to_edit: whether the edit is to be made, or made again.
        to_measure: names of the metrics whose scores are still to be taken from the picture.
        reason: of a failure.
        nfe: of an edit that is done.
        undecided: why the judge of an early filter decided nothing, for each comparison in which it did not.
        scores: by metric, ``value``, or ``missing`` with the reason.
    """

    status: str | None = None
    to_edit: bool = True
    to_measure: tuple[str, ...] = ()
    reason: str = ""
    nfe: float = 0.0
    undecided: tuple[str, ...] = ()
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return not self.to_edit and not self.to_measure


@dataclass(frozen=True)
class Job:
    """What is to be done. Can be pickled, and given to any number of workers.

    Attributes:
        folder: of the run; absolute, and the same for all workers.
        limit: how many samples the run was limited to, if it was.
        retry: what is tried again: item (or item and metric) and time of failures and missing scores that are there.
            Whoever tries again leaves another time, whatever the clock says.
    """

    config: RunConfig
    items: tuple[WorkItem, ...]
    folder: Path
    limit: int | None = None
    retry: frozenset[tuple[str, ...]] = frozenset()
    _finished: dict[tuple[str, str], ItemState] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def store(self) -> Store:
        """What the run has made."""
        return Store(self.folder)

    @cached_property
    def metric_keys(self) -> dict[str, str]:
        """By metric, the hash of what its numbers depend on besides the pictures."""
        return {metric.name: fingerprint.of_metric(metric) for metric in self.config.metrics}

    @cached_property
    def groups(self) -> tuple[tuple[WorkItem, ...], ...]:
        """The items, in order, with those together that are edited in one batch."""
        found: dict[tuple[str, tuple[str, ...]], list[WorkItem]] = {}
        for item in self.items:
            found.setdefault((item.sample.id, item.group), []).append(item)
        return tuple(tuple(items) for items in found.values())

    def state(self, item: WorkItem) -> ItemState:
        """What is left of ``item``: two files are read, and none once nothing is left."""
        place = item.row.name, item.sample.id
        if (known := self._finished.get(place)) is not None:
            return known
        state = self._read(item)
        if state.finished:
            self._finished[place] = state
        return state

    def finished(self, items: Sequence[WorkItem]) -> bool:
        """Whether nothing is left of any of ``items``."""
        return all(self.state(item).finished for item in items)

    def _read(self, item: WorkItem) -> ItemState:
        files = self.store.files(item)
        record = read_record(files)
        if record is None:
            return ItemState()
        if record["status"] == "failed":
            return ItemState("failed", _stamp(item, record) in self.retry, reason=record["reason"])
        scores = current(read_scores(files, item.truth), self.metric_keys)
        tried = {name for name, entry in scores.items() if _stamp(item, entry, name) not in self.retry}
        left = tuple(name for name in self.metric_keys if name not in tried)
        return ItemState("done", False, left, "", record["nfe"], tuple(undecided(record)), scores)


def failed_before(job: Job) -> frozenset[tuple[str, ...]]:
    """What a job is to ``retry``: the failures and missing scores of its items as they are now."""
    found = set()
    for item in job.items:
        files = job.store.files(item)
        record = read_record(files) or {}
        if record.get("status") == "failed":
            found.add(_stamp(item, record))
        scores = current(read_scores(files, item.truth), job.metric_keys)
        found |= {_stamp(item, entry, name) for name, entry in scores.items() if "missing" in entry}
    return frozenset(found)


def _stamp(item: WorkItem, entry: Mapping[str, Any], *metric: str) -> tuple[str, ...]:
    return (item.row.name, item.key, *metric, repr(entry["time"]))
