"""What a run has made: a record and a picture for each cell, and apart from them its numbers.

::

    edits/ROW/SAMPLE.KEY.json      how the edit went, and all that determined it
    edits/ROW/SAMPLE.KEY.png
    metrics/ROW/SAMPLE.KEY.json    numbers, each with a hash of what it depends on besides the edit
"""

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
from .plan import Cell

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


class Store:
    """The files of a run. A record is the last to be written, and the picture is there when the record is."""

    def __init__(self, folder: Path):
        self.folder = folder

    def record(self, cell: Cell) -> dict[str, Any] | None:
        """How the edit went: ``status`` is ``done`` or ``failed``. ``None`` if there is no record, or a damaged one."""
        found = _read(self._file("edits", cell, "json"))
        if found.get("key") != cell.key or found.get("status") not in ("done", "failed"):
            return None
        if found["status"] == "done" and found.get("bytes") != _size(self.picture(cell)):
            return None
        return found

    def picture(self, cell: Cell) -> Path:
        """Where the edited picture is."""
        return self._file("edits", cell, "png")

    def image(self, cell: Cell) -> Image.Image:
        """The edited picture."""
        return read_image(self.picture(cell))

    def keep(self, cell: Cell, result: Result) -> None:
        """Write the picture and the record of an edit."""
        with self._room(), written(self.picture(cell)) as partial:
            result.image.save(partial)
        cost = {
            "nfe": result.nfe,
            "forward_calls": result.forward_calls,
            "seconds": result.seconds,
            "peak_memory_mb": result.peak_memory_mb,
        }
        self._record(cell, "done", bytes=_size(self.picture(cell)), **cost, settings=result.settings)

    def fail(self, cell: Cell, error: Exception) -> None:
        """Write the record of an edit that raised ``error``."""
        reason = f"{type(error).__name__}: {first_line(error)}"
        self._record(cell, "failed", reason=reason, traceback="".join(traceback.format_exception(error)))

    def numbers(self, cell: Cell) -> dict[str, dict[str, Any]]:
        """By metric: ``of``, the hash of what it depends on, and ``value``, or ``missing`` with the reason."""
        found = _read(self._file("metrics", cell, "json"))
        values = found.get("values") if found.get("key") == cell.key else None
        return {name: entry for name, entry in values.items() if _whole(entry)} if isinstance(values, dict) else {}

    def keep_numbers(self, cell: Cell, values: Mapping[str, float | Missing], of: Mapping[str, str]) -> None:
        """Add numbers to those that are there. ``of`` has the hash for each."""
        entries = {name: {"of": of[name], "time": time.time(), **_entry(value)} for name, value in values.items()}
        self._write("metrics", cell, {"key": cell.key, "values": {**self.numbers(cell), **entries}})

    def clear(self, cell: Cell) -> None:
        """Take away what a killed process left half-written. Only for whoever has claimed the cell."""
        for kind in ("edits", "metrics"):
            path = self._file(kind, cell, "json")
            for partial in path.parent.glob(f".{_escaped(path.stem)}.*"):
                partial.unlink(missing_ok=True)

    # ---- files -----------------------------------------------------------------------------------------------

    def _file(self, kind: str, cell: Cell, ending: str) -> Path:
        return self.folder / kind / cell.row.name / f"{cell.sample.id}.{cell.key}.{ending}"

    def _record(self, cell: Cell, status: str, **facts: Any) -> None:
        sample = {"sample": cell.sample.id, "task": cell.sample.task, "turn": cell.sample.turn}
        head = {"key": cell.key, "status": status, "row": cell.row.name, **sample, "time": time.time()}
        self._write("edits", cell, {**head, **facts, "determined_by": cell.determined_by})

    def _write(self, kind: str, cell: Cell, content: Mapping[str, Any]) -> None:
        with self._room(), written(self._file(kind, cell, "json")) as partial:
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


def _read(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where there is none, or half of one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _whole(entry: Any) -> bool:
    if not isinstance(entry, dict) or "of" not in entry:
        return False
    return isinstance(entry.get("value"), float) or isinstance(entry.get("missing"), str)


def _entry(value: float | Missing) -> dict[str, Any]:
    return {"missing": value.reason} if isinstance(value, Missing) else {"value": float(value)}


def _escaped(name: str) -> str:
    """For ``glob``, which reads brackets."""
    return name.replace("[", "[[]")
