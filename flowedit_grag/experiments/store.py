"""What a run has made: a record and a picture for each cell, and apart from them its numbers."""

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
from .records import CellFiles, read_numbers, read_record, size

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


class Store:
    """The files of a run. A record is the last to be written, and the picture is there when the record is."""

    def __init__(self, folder: Path):
        self.folder = folder

    def record(self, cell: Cell) -> dict[str, Any] | None:
        """See :func:`read_record`."""
        return read_record(self._files(cell))

    def picture(self, cell: Cell) -> Path:
        """Where the edited picture is."""
        return self._files(cell).picture

    def image(self, cell: Cell) -> Image.Image:
        """The edited picture."""
        return read_image(self.picture(cell))

    def has_image(self, cell: Cell) -> bool:
        """Whether the edited picture is there and can be read."""
        try:
            self.image(cell)
        except InputError:
            return False
        return True

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
        self._record(cell, "done", bytes=size(self.picture(cell)), **cost, settings=result.settings)

    def fail(self, cell: Cell, error: Exception) -> None:
        """Write the record of an edit that raised ``error``."""
        reason = f"{type(error).__name__}: {first_line(error)}"
        self._record(cell, "failed", reason=reason, traceback="".join(traceback.format_exception(error)))

    def numbers(self, cell: Cell) -> dict[str, dict[str, Any]]:
        """See :func:`read_numbers`."""
        return read_numbers(self._files(cell))

    def keep_numbers(self, cell: Cell, values: Mapping[str, float | Missing], of: Mapping[str, str]) -> None:
        """Add numbers to those that are there. ``of`` has the hash for each."""
        entries = {name: {"of": of[name], "time": time.time(), **_entry(value)} for name, value in values.items()}
        self._write(self._files(cell).numbers, {"key": cell.key, "values": {**self.numbers(cell), **entries}})

    def clear(self, cell: Cell) -> None:
        """Take away what a killed process left half-written. Only for whoever has claimed the cell."""
        files = self._files(cell)
        for path in (files.record, files.numbers):
            for partial in path.parent.glob(f".{_escaped(path.stem)}.*"):
                partial.unlink(missing_ok=True)

    # ---- files -----------------------------------------------------------------------------------------------

    def _files(self, cell: Cell) -> CellFiles:
        return CellFiles(self.folder, cell.row.name, cell.sample.id, cell.key)

    def _record(self, cell: Cell, status: str, **facts: Any) -> None:
        sample = {"sample": cell.sample.id, "task": cell.sample.task, "turn": cell.sample.turn}
        head = {"key": cell.key, "status": status, "row": cell.row.name, **sample, "time": time.time()}
        self._write(self._files(cell).record, {**head, **facts, "determined_by": cell.determined_by})

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
