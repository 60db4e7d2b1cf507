"""What a run has made: a record and a picture for each item, and apart from them its scores."""

import errno
import json
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from ..backbone.image import read_image
from ..errors import InputError, first_line
from ..files import written
from ..metrics import Missing
from ..result import Result
from .plan import WorkItem
from .records import COSTS, ItemFiles, read_record, read_scores, size

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


class Store:
    """The files of a run. A record is the last to be written, and the picture is there when the record is."""

    def __init__(self, folder: Path):
        self.folder = folder

    def record(self, item: WorkItem) -> dict[str, Any] | None:
        """See :func:`read_record`."""
        return read_record(self._files(item))

    def picture(self, item: WorkItem) -> Path:
        """Where the edited picture is."""
        return self._files(item).image

    def image(self, item: WorkItem) -> Image.Image:
        """The edited picture."""
        return read_image(self.picture(item))

    def has_image(self, item: WorkItem) -> bool:
        """Whether the edited picture is there and can be read."""
        try:
            self.image(item)
        except InputError:
            return False
        return True

    def keep(self, item: WorkItem, result: Result, group: Mapping[str, Any] | None = None) -> None:
        """Write the picture and the record of an edit; ``group`` has what it was made in, and what that cost."""
        with self._room(), written(self.picture(item)) as partial:
            result.image.save(partial)
        cost = {name: getattr(result, name) for name in (*COSTS, "peak_memory_mb")}
        group = {} if group is None else {"group": group}
        self._record(item, "done", bytes=size(self.picture(item)), **cost, **group, settings=result.settings)

    def fail(self, item: WorkItem, error: Exception) -> None:
        """Write the record of an edit that raised ``error``."""
        reason = f"{type(error).__name__}: {first_line(error)}"
        self._record(item, "failed", reason=reason, traceback="".join(traceback.format_exception(error)))

    def scores(self, item: WorkItem) -> dict[str, dict[str, Any]]:
        """See :func:`read_scores`."""
        return read_scores(self._files(item), item.truth)

    def keep_scores(self, item: WorkItem, values: Mapping[str, float | Missing], metrics: Mapping[str, str]) -> None:
        """Add scores to those that are there. ``metrics`` has the hash of each."""
        entries = {name: {"of": metrics[name], "time": time.time(), **_entry(value)} for name, value in values.items()}
        content = {"key": item.key, "truth": item.truth, "values": {**self.scores(item), **entries}}
        self._write(self._files(item).scores, content)

    def clear(self, item: WorkItem) -> None:
        """Take away what a killed process left half-written. Only for whoever has claimed the item."""
        files = self._files(item)
        for path in (files.record, files.scores):
            for partial in path.parent.glob(f".{_escaped(path.stem)}.*"):
                partial.unlink(missing_ok=True)

    # ---- files -----------------------------------------------------------------------------------------------

    def _files(self, item: WorkItem) -> ItemFiles:
        return ItemFiles(self.folder, item.row.name, item.sample.id, item.key)

    def _record(self, item: WorkItem, status: str, **facts: Any) -> None:
        sample = {"sample": item.sample.id, "task": item.sample.task, "turn": item.sample.turn}
        head = {"key": item.key, "status": status, "row": item.row.name, **sample, "time": time.time()}
        self._write(self._files(item).record, {**head, **facts, "key_inputs": item.key_inputs})

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        with self._room(), written(path) as partial:
            partial.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")

    @contextmanager
    def _room(self) -> Iterator[None]:
        """A place that takes no more files stops the run; another sample would fare no better."""
        try:
            yield
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise InputError(
                f"cannot write in {self.folder} ({error.strerror}); what was finished is there, "
                "and once this is mended the same command goes on."
            ) from error


def _entry(value: float | Missing) -> dict[str, Any]:
    return {"missing": value.reason} if isinstance(value, Missing) else {"value": float(value)}


def _escaped(name: str) -> str:
    """For ``glob``, which reads brackets."""
    return name.replace("[", "[[]")
