"""What a run has made of each item.

::

    edits/ROW/SAMPLE.KEY.json      the record: how the edit went, and all that determined it
    edits/ROW/SAMPLE.KEY.png
    metrics/ROW/SAMPLE.KEY.json    scores with hashes of their metrics, and of the truth they are measured against
"""

import json
import math
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..backbone.image import read_image
from ..errors import InputError, first_line, shortened
from ..files import leftovers, read_object, written
from ..hidden import masked, masked_in, shown
from ..metrics import Missing
from ..result import Result
from .plan import WorkItem

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


class Store:
    """The files of a run. A record is the last to be written, and the picture is there when the record is."""

    def __init__(self, folder: Path):
        self.folder = folder

    def files(self, item: WorkItem) -> ItemFiles:
        """Where they are, or will be."""
        return ItemFiles(self.folder, item.row.name, item.sample.id, item.key)

    def image(self, item: WorkItem) -> Image.Image:
        """The edited picture."""
        return read_image(self.files(item).image)

    def has_image(self, item: WorkItem) -> bool:
        """Whether the edited picture is there and can be read."""
        try:
            self.image(item)
        except InputError:
            return False
        return True

    def keep(self, item: WorkItem, result: Result, group: Mapping[str, Any] | None = None) -> None:
        """Write the picture and the record of an edit; ``group`` has what it was made in, and what that cost."""
        path = self.files(item).image
        with self._room(path), written(path) as partial:
            result.image.save(partial)
        cost = {name: getattr(result, name) for name in (*COSTS, "peak_memory_mb")}
        group = {} if group is None else {"group": group}
        settings = masked_in(result.settings)
        self._record(item, "done", bytes=path.stat().st_size, **cost, **group, settings=settings)

    def fail(self, item: WorkItem, error: Exception) -> None:
        """Write the record of an edit that raised ``error``."""
        reason = f"{type(error).__name__}: {first_line(error)}"
        lines = masked("".join(traceback.format_exception(error))).splitlines()
        self._record(item, "failed", reason=reason, traceback="\n".join(map(shortened, lines)))

    def keep_scores(self, item: WorkItem, values: Mapping[str, float | Missing], metrics: Mapping[str, str]) -> None:
        """Add scores to those that are there. ``metrics`` has the hash of each."""
        files = self.files(item)
        known = read_scores(files, item.truth)
        for name, value in values.items():
            found = (
                {"missing": shortened(masked(value.reason))} if isinstance(value, Missing) else {"value": float(value)}
            )
            known[name] = {"of": metrics[name], "time": time.time(), **found}
        self._write(files.scores, {"key": item.key, "truth": item.truth, "values": known})

    def clear(self, item: WorkItem) -> None:
        """Take away what a killed process left half-written. Only for whoever has claimed the item."""
        files = self.files(item)
        for path in (files.record, files.scores):
            for partial in leftovers(path):
                partial.unlink(missing_ok=True)

    def _record(self, item: WorkItem, status: str, **facts: Any) -> None:
        sample = {"sample": item.sample.id, "task": item.sample.task, "turn": item.sample.turn}
        head = {"key": item.key, "status": status, "row": item.row.name, **sample, "time": time.time()}
        self._write(self.files(item).record, {**head, **facts, "key_inputs": item.key_inputs})

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        with self._room(path), written(path) as partial:
            partial.write_text(json.dumps(shown(content), indent=1, default=str) + "\n", encoding="utf-8")

    @contextmanager
    def _room(self, path: Path) -> Iterator[None]:
        """A place that takes no more files stops the run; another sample would fare no better."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror or first_line(error)}); what was finished is there, "
                "and once this is mended the same command goes on."
            ) from error


def read_record(files: ItemFiles) -> dict[str, Any] | None:
    """How the edit went: ``status`` is ``done`` or ``failed``. ``None`` if there is no record, or a damaged one."""
    found = read_object(files.record)
    ours = (found.get("key"), found.get("sample")) == (files.key, files.sample)
    if not ours or not _is_number(found.get("time")) or not isinstance(found.get("key_inputs"), dict):
        return None
    if found.get("status") == "failed":
        whole = isinstance(found.get("reason"), str) and found["reason"] != ""
    else:
        whole = found.get("status") == "done" and all(_is_number(found.get(cost)) for cost in COSTS)
        whole = whole and files.image.is_file() and found.get("bytes") == files.image.stat().st_size
    return found if whole else None


def read_scores(files: ItemFiles, truth: str) -> dict[str, dict[str, Any]]:
    """By metric: ``of``, the hash of the metric, and ``value``, or ``missing`` with the reason. None of them where they
    were measured against another ``truth``."""
    found = read_object(files.scores)
    values = found.get("values") if (found.get("key"), found.get("truth")) == (files.key, truth) else None
    return {name: entry for name, entry in values.items() if _is_score(entry)} if isinstance(values, dict) else {}


def _is_score(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("of"), str) or not _is_number(entry.get("time")):
        return False
    value = entry.get("value")
    return _is_number(value) or value == math.inf or isinstance(entry.get("missing"), str)  # PSNR of equal pictures


def _is_number(value: Any) -> bool:
    """Whether it is a finite one. NaN compares as false, and whole numbers may be larger than any float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def current(scores: Mapping[str, dict[str, Any]], metrics: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The scores of ``metrics`` (hashes by name), but for those of metrics that have been set up differently since."""
    return {name: entry for name, entry in scores.items() if entry["of"] == metrics.get(name)}


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


def _settings(record: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """A part of what an edit noted of its settings; the file may have been changed by hand."""
    found = record.get("settings")
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
