"""What is to be done in a run, and what of it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import fingerprint as identity
from .config import RunConfig
from .plan import Cell
from .store import Store


@dataclass(frozen=True)
class Done:
    """``step`` of ``steps`` cells are finished."""

    step: int
    steps: int
    stage: str = "edits"


OnProgress = Callable[[Done], None]


@dataclass(frozen=True)
class Job:
    """What is to be done. Can be pickled, and given to any number of workers.

    Attributes:
        folder: of the run; absolute, and the same for all workers.
        limit: how many samples the run was limited to, if it was.
        retry: failures and missing numbers from before this time (seconds since the epoch) are tried again.
    """

    config: RunConfig
    cells: tuple[Cell, ...]
    folder: Path
    limit: int | None = None
    retry: float = 0.0

    def edited(self, store: Store, cell: Cell) -> dict[str, Any] | None:
        """The record of the cell's edit, unless it is still to be made."""
        record = store.record(cell)
        again = record is not None and record["status"] == "failed" and record.get("time", 0.0) < self.retry
        return None if again else record

    def unmeasured(self, store: Store, cell: Cell) -> list[str]:
        """Names of the metrics whose numbers are still to be taken from the cell's picture."""
        known = self.numbers(store, cell)
        return [name for name in self.dependencies(cell) if name not in known or self._retried(known[name])]

    def numbers(self, store: Store, cell: Cell) -> dict[str, dict[str, Any]]:
        """The cell's numbers, but for those of metrics that have been set up differently since."""
        of = self.dependencies(cell)
        return {name: entry for name, entry in store.numbers(cell).items() if entry["of"] == of.get(name)}

    def dependencies(self, cell: Cell) -> dict[str, str]:
        """For each metric, the hash of what its number depends on besides the edit."""
        return {metric.name: identity.of_metric(metric, cell.truth) for metric in self.config.metrics}

    def finished(self, store: Store, cell: Cell) -> bool:
        """Whether nothing is left to be done about the cell."""
        record = self.edited(store, cell)
        return record is not None and (record["status"] == "failed" or not self.unmeasured(store, cell))

    def _retried(self, entry: dict[str, Any]) -> bool:
        return "missing" in entry and entry.get("time", 0.0) < self.retry
