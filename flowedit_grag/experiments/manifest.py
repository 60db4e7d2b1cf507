"""``manifest.json``: which items a run is made of now. Its folder may hold results of earlier options, models or
samples besides, which no table and no report must mix with them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..files import read_object, written
from ..hidden import shown

NAME = "manifest.json"


@dataclass(frozen=True)
class ManifestEntry:
    """An item. ``truth`` is the hash of what its edit is measured against."""

    row: str
    sample: str
    task: str
    previous: str | None  # the sample whose result is edited
    key: str
    truth: str


@dataclass(frozen=True)
class Manifest:
    """The items of a run, in its order.

    Attributes:
        limit: how many samples the run was limited to, if it was.
        made_with: by row, all that its edits depend on besides the sample; options with the model's own and defaults.
        metrics: by name, the hash of what its numbers depend on besides the pictures.
        left_out: why the benchmark leaves out some of what it lists, and how much.
    """

    limit: int | None
    made_with: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, str]
    items: tuple[ManifestEntry, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Manifest | None":
        """That of the run in ``folder``; ``None`` where there is none, a damaged one or one of an earlier version."""
        found = read_object(folder / NAME)
        try:
            items = tuple(ManifestEntry(**item) for item in found["items"])
            made_with = {row: dict(way) for row, way in found["made_with"].items()}
            whole = all(item.row in made_with for item in items)
            facts = dict(found["metrics"]), items, dict(found["left_out"])
            return cls(found["limit"], made_with, *facts) if whole else None
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def write(self, folder: Path) -> None:
        """Put it in place of an earlier one, unless that says the same."""
        content = shown({**vars(self), "items": [vars(item) for item in self.items]})
        text, path = json.dumps(content, indent=1, default=str) + "\n", folder / NAME
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            with written(path) as partial:
                partial.write_text(text, encoding="utf-8")


def pinned_revisions(folder: Path) -> dict[str, str]:
    """The commits of the hub's models that the run at ``folder`` was begun with, by the model's name: it goes on with
    them, whatever the hub has since. None where there is no run."""
    ways = read_object(folder / NAME).get("made_with")
    models = [way.get("model") for way in ways.values() if isinstance(way, dict)] if isinstance(ways, dict) else []
    return {model["name"]: model["commit"] for model in models if isinstance(model, dict) and "commit" in model}
