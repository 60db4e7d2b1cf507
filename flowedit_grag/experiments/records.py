"""The files that a run leaves for each item, and which of them are whole.

::

    edits/ROW/SAMPLE.KEY.json      how the edit went, and all that determined it
    edits/ROW/SAMPLE.KEY.png
    metrics/ROW/SAMPLE.KEY.json    scores with hashes of their metrics, and of the truth they are measured against
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COSTS = ("nfe", "forward_calls", "seconds")  # scores that the record of an edit has


@dataclass(frozen=True)
class ItemFiles:
    """Where the files of an item are, in the run's ``folder``."""

    folder: Path
    row: str
    sample: str
    key: str

    @property
    def record(self) -> Path:
        return self._file("edits", "json")

    @property
    def image(self) -> Path:
        return self._file("edits", "png")

    @property
    def scores(self) -> Path:
        return self._file("metrics", "json")

    def _file(self, kind: str, ending: str) -> Path:
        return self.folder / kind / self.row / f"{self.sample}.{self.key}.{ending}"


def read_record(files: ItemFiles) -> dict[str, Any] | None:
    """How the edit went: ``status`` is ``done`` or ``failed``. ``None`` if there is no record, or a damaged one."""
    found = read_object(files.record)
    if found.get("key") != files.key or found.get("sample") != files.sample or not _timed(found):
        return None
    if not isinstance(found.get("key_inputs"), dict):
        return None
    whole = {"done": _made, "failed": _explained}.get(str(found.get("status")))
    return found if whole and whole(found, files) else None


def read_scores(files: ItemFiles, truth: str) -> dict[str, dict[str, Any]]:
    """By metric: ``of``, the hash of the metric, and ``value``, or ``missing`` with the reason. None of them where they
    were measured against another ``truth``."""
    found = read_object(files.scores)
    values = found.get("values") if (found.get("key"), found.get("truth")) == (files.key, truth) else None
    return {name: entry for name, entry in values.items() if _whole(entry)} if isinstance(values, dict) else {}


def current(scores: Mapping[str, dict[str, Any]], metrics: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The scores of ``metrics`` (hashes by name), but for those of metrics that have been set up differently since."""
    return {name: entry for name, entry in scores.items() if entry["of"] == metrics.get(name)}


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where there is none, or half of one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def undecided(record: Mapping[str, Any]) -> list[str]:
    """Of an edit with an early filter: why its judge decided nothing, for each comparison in which it did not."""
    compared = _settings(record, "early_filter").get("comparisons")
    found = [one for one in compared if isinstance(one, dict)] if isinstance(compared, list) else []
    return [str(one.get("reason")) for one in found if one.get("winner") is None and not one.get("tie")]


def made_on(record: Mapping[str, Any]) -> dict[str, str]:
    """Versions and device that an edit was made with, as far as the record says."""
    found = {name: str(said) for name, said in _settings(record, "versions").items()}
    if (device := _settings(record).get("device")) is not None:
        found["device"] = str(device).partition(":")[0]  # which of several like it does not matter
    return found


def size(path: Path) -> int | None:
    """Of a file, in bytes; ``None`` if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _made(record: Mapping[str, Any], files: ItemFiles) -> bool:
    return record.get("bytes") == size(files.image) and all(_number(record.get(cost)) for cost in COSTS)


def _settings(record: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """A part of what an edit noted of its settings; the file may have been changed by hand."""
    found = record.get("settings")
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _explained(record: Mapping[str, Any], files: ItemFiles) -> bool:
    return isinstance(record.get("reason"), str) and bool(record["reason"])


def _whole(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("of"), str) or not _timed(entry):
        return False
    return _number(entry.get("value")) or isinstance(entry.get("missing"), str)


def _timed(entry: Mapping[str, Any]) -> bool:
    return _number(entry.get("time"))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
