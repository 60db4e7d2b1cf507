"""Measurement folders: what ``python -m benchmarks`` and ``analyze`` measure that is no edit, for reports and claims.

``NAME.jsonl`` has a record on each line and only grows, ``NAME.md`` the table of the last measurement; figures lie
beside them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..backbone.load import commit, locate
from ..embedded import ADAPTERS, ENCODERS
from ..experiments.fingerprint import DIGITS, digest
from ..files import fingerprint, written

Record = dict[str, Any]


def weights(*names: str) -> dict[str, str]:
    """What the weights of each model, adapter or encoder are, by name or path: a short hash of the files here, or the
    commit on the hub. Raises :class:`InputError` for names that lead nowhere."""
    places = {name: {**ADAPTERS, **ENCODERS}.get(name) or _place(name) for name in names}
    return {name: (fingerprint(place) or str(commit(name)))[:DIGITS] for name, place in places.items()}


def _place(name: str) -> Path:
    return path if (path := Path(name)).is_file() else Path(locate(name))


class Records:
    """The records of one kind of measurement, in a file that only grows. What is in it is not measured again.

    A record is a flat dict. ``key`` is a hash of all that determines it: ``of``, which says what a measurement's
    records have in common (``section``, ``version`` of the package and ``code`` outside it, ``weights`` by name,
    ``split``, and ``options`` by name), and the fields that it was asked for with (``id`` of the problem, and what
    else varies within the measurement). The values that were measured stand beside these. So nothing that was measured
    with other options, code, weights or problems answers for this measurement; it stays in the file.

    A line that a kill left unfinished, or that is damaged, is dropped and its record made again. Lines of the
    measurement that was asked for last are last. One process at a time may measure into a file.
    """

    def __init__(self, path: Path, of: Mapping[str, Any]):
        self.path, self.of = path, json.loads(json.dumps(of))  # tuples are lists in the file
        found = sorted(self.read(path), key=lambda record: record.get("of") == self.of)
        text = "".join(json.dumps(record) + "\n" for record in found)
        if path.exists() and path.read_text() != text:
            with written(path) as partial:
                partial.write_text(text)
        self._known = {record["key"]: record for record in found}

    @staticmethod
    def read(path: Path) -> list[Record]:
        """All records in a file, of whatever, in its order; none where there is no file."""
        found = []
        for line in path.read_text().splitlines() if path.exists() else ():
            with suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict) and "key" in record:
                    found.append(record)
        return found

    def find(self, **asked: Any) -> Record | None:
        """The record that was asked for with these fields."""
        return self._known.get(self._key(asked))

    def add(self, asked: Mapping[str, Any], /, **values: Any) -> Record:
        """Write what was measured, and return it as :meth:`find` will."""
        line = json.dumps({"key": self._key(asked), "of": self.of, **asked, **values})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(line + "\n")
        record = json.loads(line)
        self._known[record["key"]] = record
        return record

    def _key(self, asked: Mapping[str, Any]) -> str:
        return digest({"of": self.of, **asked})
