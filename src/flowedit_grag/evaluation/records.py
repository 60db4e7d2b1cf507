"""Measurements one line each in a file that only grows: what is in it need not be measured again."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..files import written

Record = dict[str, Any]


class Records:
    """Records by key. With a ``path``, every new one is appended there at once, and earlier ones are read from there.

    A last line that a kill left unfinished is dropped and its record made again. ``of`` says what was measured (which
    weights, which split): records of anything else are left in the file, and not counted.
    """

    def __init__(self, path: Path | None = None, of: str = ""):
        self.path, self.of = path, of
        self.known: dict[str, Record] = {}
        if path and path.exists():
            whole = _whole_lines(path)
            if "".join(whole) != path.read_text():
                with written(path) as partial:
                    partial.write_text("".join(whole))
            self.known = {record["key"]: record for record in map(json.loads, whole) if record.get("of", "") == of}

    @staticmethod
    def read(path: Path) -> list[Record]:
        """The records in a file of whatever was measured last; none where there is no file, which is left as it is."""
        found = [json.loads(line) for line in _whole_lines(path)] if path.exists() else []
        return [record for record in found if record.get("of", "") == found[-1].get("of", "")]

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


def _whole_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
