"""Tables of the papers, number for number, to stand beside ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from ..errors import unknown

NONE = "-"


@dataclass(frozen=True)
class PublishedColumn:
    """What the paper heads it with, and our ``metrics`` that answer the same question, the best first."""

    label: str
    higher_is_better: bool
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper. ``rows`` has a number for each column, digits as printed; ``None`` where there is none."""

    name: str
    source: str
    setting: str
    columns: tuple[PublishedColumn, ...]
    rows: Mapping[str, tuple[str | None, ...]]

    def find(self, row: str) -> str | None:
        """The row called ``row``; case, spaces and hyphens do not matter."""
        return next((name for name in self.rows if _plain(name) == _plain(row)), None)


def published(name: str) -> PublishedTable:
    """The table called ``name``, such as ``grag-1``. Raises :class:`InputError` for one that is not there."""
    if name not in _tables():
        raise unknown("table of a paper", name, _tables())
    return _tables()[name]


def _plain(name: str) -> str:
    return re.sub(r"[\s-]", "", name.casefold())


@cache
def _tables() -> dict[str, PublishedTable]:
    text = files(__package__).joinpath("published.yaml").read_text(encoding="utf-8")
    loaded = yaml.load(text, yaml.BaseLoader)  # which leaves digits as they are printed
    return {name: _table(name, values) for name, values in loaded.items()}


def _table(name: str, values: Mapping) -> PublishedTable:
    columns = [
        PublishedColumn(label, of["better"] == "higher", tuple(of["metrics"]))
        for label, of in values["columns"].items()
    ]
    rows = {row: tuple(None if item == NONE else item for item in line.split()) for row, line in values["rows"].items()}
    return PublishedTable(name, values["source"], values["setting"], tuple(columns), rows)
