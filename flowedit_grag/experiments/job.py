"""What is to be done in a run, and what of it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import fingerprint
from .config import RunConfig
from .plan import WorkItem
from .store import Store


@dataclass(frozen=True)
class Job:
    """What is to be done. Can be pickled, and given to any number of workers.

    Attributes:
        folder: of the run; absolute, and the same for all workers.
        limit: how many samples the run was limited to, if it was.
        retry: failures and missing scores from before this time (seconds since the epoch) are tried again.
    """

    config: RunConfig
    items: tuple[WorkItem, ...]
    folder: Path
    limit: int | None = None
    retry: float = 0.0

    def edited(self, store: Store, item: WorkItem) -> dict[str, Any] | None:
        """The record of the item's edit, unless it is still to be made."""
        record = store.record(item)
        again = record is not None and record["status"] == "failed" and record.get("time", 0.0) < self.retry
        return None if again else record

    def unmeasured(self, store: Store, item: WorkItem) -> list[str]:
        """Names of the metrics whose scores are still to be taken from the item's picture."""
        known = self.scores(store, item)
        return [name for name in self.dependencies(item) if name not in known or self._retried(known[name])]

    def scores(self, store: Store, item: WorkItem) -> dict[str, dict[str, Any]]:
        """The item's scores, but for those of metrics that have been set up differently since."""
        of = self.dependencies(item)
        return {name: entry for name, entry in store.scores(item).items() if entry["of"] == of.get(name)}

    def dependencies(self, item: WorkItem) -> dict[str, str]:
        """For each metric, the hash of what its number depends on besides the edit."""
        return {metric.name: fingerprint.of_metric(metric, item.truth) for metric in self.config.metrics}

    def finished(self, store: Store, item: WorkItem) -> bool:
        """Whether nothing is left to be done about the item."""
        record = self.edited(store, item)
        return record is not None and (record["status"] == "failed" or not self.unmeasured(store, item))

    def _retried(self, entry: dict[str, Any]) -> bool:
        return "missing" in entry and entry.get("time", 0.0) < self.retry
