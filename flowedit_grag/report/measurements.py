"""Measurements one line each in a file that only grows: what is in it need not be measured again."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowedit_grag.backbone.load import locate
from flowedit_grag.embedded import ADAPTERS
from flowedit_grag.files import fingerprint, written

Record = dict[str, Any]
DIGITS = 16  # hexadecimal, of a hash


def weights(*names: str) -> dict[str, str]:
    """A short hash of what lies in the files of each model or adapter, by name or path."""
    places = {name: ADAPTERS.get(name, Path(name)) for name in names}
    return {
        name: (fingerprint(place if place.is_file() else Path(locate(name))) or name)[:DIGITS]
        for name, place in places.items()
    }


class Records:
    """Records by key. With a ``path``, every new one is appended there at once, and earlier ones are read from there.

    A line that a kill left unfinished, or that is damaged, is dropped and its record made again. ``of`` says what was
    measured (which weights, which split), in plain values: records of anything else are left in the file, and not
    counted.
    """

    def __init__(self, path: Path | None = None, of: Any = ""):
        self.path, self.of = path, of
        self.known: dict[str, Record] = {}
        if path and path.exists():
            found = dict(_read(path))
            if "".join(found) != path.read_text():
                with written(path) as partial:
                    partial.write_text("".join(found))
            self.known = {record["key"]: record for record in found.values() if record.get("of", "") == of}

    @staticmethod
    def read(path: Path) -> list[Record]:
        """All records in a file, of whatever; none where there is no file, which is left as it is."""
        return [record for _, record in _read(path)] if path.exists() else []

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of ``keys`` that have no record yet."""
        return [key for key in keys if key not in self.known]

    def add(self, key: str, **facts: Any) -> None:
        """Keep a record under ``key``."""
        self.known[key] = {"key": key, "of": self.of, **facts}
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(self.known[key]) + "\n")


def _read(path: Path) -> Iterator[tuple[str, Record]]:
    """The lines that are whole, each with its record."""
    for line in path.read_text().splitlines(keepends=True):
        with suppress(ValueError):
            record = json.loads(line)
            if line.endswith("\n") and isinstance(record, dict) and "key" in record:
                yield line, record
