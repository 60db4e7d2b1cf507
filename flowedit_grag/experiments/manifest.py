"""``manifest.json``: which items a run is made of now. Its folder may hold results of earlier options, models or
samples besides, which no table and no report must mix with them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..files import written
from .job import Job
from .pinned_revisions import ITEMS as NAME
from .records import read_object


@dataclass(frozen=True)
class ManifestEntry:
    """A item. ``of`` has by metric the hash of what its number depends on besides the edit."""

    row: str
    sample: str
    task: str
    previous: str | None  # the sample whose result is edited
    key: str
    of: Mapping[str, str]


@dataclass(frozen=True)
class Manifest:
    """The items of a run, in its order.

    Attributes:
        limit: how many samples the run was limited to, if it was.
        left_out: why the benchmark leaves out some of what it lists, and how much.
        made_with: by row, all that its edits depend on besides the sample; options with the model's own and defaults.
    """

    limit: int | None
    made_with: Mapping[str, Mapping[str, Any]]
    items: tuple[ManifestEntry, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job) -> "Manifest":
        """What a job is made of."""
        found = [
            ManifestEntry(item.row.name, sample.id, sample.task, sample.previous, item.key, job.dependencies(item))
            for item in job.items
            for sample in [item.sample]
        ]
        ways = {
            item.row.name: {key: value for key, value in item.key_inputs.items() if key != "sample"}
            for item in job.items
        }
        return cls(job.limit, ways, tuple(found), job.config.samples.reasons)

    @classmethod
    def read(cls, folder: Path) -> "Manifest | None":
        """That of the run in ``folder``; ``None`` where there is none, or a damaged one."""
        found = read_object(folder / NAME)
        try:
            items = tuple(ManifestEntry(**item) for item in found["items"])
            made_with = {row: dict(way) for row, way in found["made_with"].items()}
            whole = all(item.row in made_with for item in items)
            return cls(found["limit"], made_with, items, dict(found.get("left_out", {}))) if whole else None
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def write(self, folder: Path) -> None:
        """Put it in place of an earlier one."""
        with written(folder / NAME) as partial:
            partial.write_text(json.dumps(asdict(self), indent=1, default=str) + "\n", encoding="utf-8")
