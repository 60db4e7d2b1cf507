"""Tables of pictures and prompts: parquet files, data sets of the hub, lines of JSON; and what a row may hold."""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

from PIL import Image

from .backbone.image import alpha_of, read_image
from .backbone.image_decoding import decoded
from .errors import InputError, first_line, needed


@dataclass(frozen=True)
class ParquetTable:
    """Rows whose ``pictures``, columns of theirs, are decoded one by one, when asked for."""

    name: str
    rows: Any  # datasets.Dataset

    @classmethod
    def read(cls, path: str, split: str, columns: Collection[str], pictures: Collection[str]) -> "ParquetTable":
        """``path`` is a parquet file, a folder of them, or a hub id. ``columns`` and ``pictures`` are those needed.

        Raises :class:`InputError` for tables that cannot be read and columns that are missing.
        """
        rows = load_rows(path, split)
        require((*columns, *pictures), rows.column_names, path)
        return cls.of(path, rows, pictures)

    @classmethod
    def of(cls, name: str, rows: Any, pictures: Collection[str]) -> "ParquetTable":
        """``rows`` as :func:`load_rows` gives them. Raises :class:`InputError` for columns without ``pictures``."""
        kind = needed("datasets", "a table").Image(decode=False)
        for column in pictures:
            try:
                rows = rows.cast_column(column, kind)
            except (ValueError, TypeError, NotImplementedError) as error:  # arrow's are of these
                raise InputError(f"{name}: the column {column!r} holds no pictures ({first_line(error)}).") from None
        return cls(name, rows)

    def values(self, columns: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """For each row, what to call it in errors and its values in ``columns``."""
        for number, values in enumerate(self.rows.select_columns(list(columns))):
            yield self.where(number), values

    def where(self, row: int) -> str:
        return f"{self.name}, row {row}"

    def image(self, row: int, column: str) -> Image.Image:
        """A picture in RGB."""
        return read_image(self._picture(row, column))

    def alpha(self, row: int, column: str) -> Image.Image | None:
        """A picture's alpha channel, or None where nothing is transparent."""
        return alpha_of(self._picture(row, column))

    def _picture(self, row: int, column: str) -> Image.Image:
        cell = self.rows.select_columns([column])[row][column]
        if cell is None:
            raise InputError(f"{self.where(row)}: there is no {column}.")
        if cell["bytes"] is None:  # a path of whoever wrote the table, to any file of whoever reads it
            raise InputError(f"{self.where(row)}: {column} is a path; only tables that hold their pictures are read.")
        return decoded(BytesIO(cell["bytes"]), f"{self.where(row)}: {column}")[1]


def load_rows(path: str, split: str, or_all: bool = False) -> Any:
    """The rows of a parquet file, a folder of them, or a hub id.

    Of a folder those files are taken that are named after the split (``dev-00000-of-00004.parquet``,
    ``dev/0000.parquet``), or all of them where there are none, if ``or_all``. Raises :class:`InputError`.
    """
    datasets, place = needed("datasets", "a table"), Path(path)
    try:
        if os.path.exists(place):
            return datasets.load_dataset("parquet", data_files=_files(place, split, or_all), split="train")
        return datasets.load_dataset(path, split=split)
    except InputError:
        raise
    except Exception as error:  # of many libraries: arrow, fsspec, the hub's client
        raise InputError(f"{path!r} cannot be read ({first_line(error)}).") from error


def _files(place: Path, split: str, or_all: bool) -> list[str]:
    if place.is_file():
        return [str(place)]
    every = sorted(place.rglob("*.parquet"))
    named = [file for file in every if split in (file.stem.partition("-")[0], file.parent.name)]
    if not named and not (or_all and every):
        raise InputError(f"there is no {'' if or_all else f'{split}-'}*.parquet in {place}.")
    return [str(file) for file in named or every]


def json_lines(file: Path, like: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each line of ``file`` that is not empty, what to call it in errors and its values.

    Raises :class:`InputError` for one that is no object, as ``like`` is.
    """
    for number, line in enumerate(read_text(file).split("\n"), start=1):  # prompts may hold other line breaks
        if not line.strip():
            continue
        values = from_json(line, file, number)
        if not isinstance(values, dict):
            raise InputError(f"{file}, line {number} is not like {like}.")
        yield f"{file}, line {number}", values


def from_json(text: str, file: Path, line: int = 1, as_pairs: Callable[[list], Any] | None = None) -> Any:
    """What a ``text`` that begins at ``line`` of ``file`` holds, its objects as dicts or by ``as_pairs``.

    Raises :class:`InputError` if it is not JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=as_pairs)
    except (ValueError, RecursionError) as error:
        place = f"{file}, line {line - 1 + getattr(error, 'lineno', 1)}"
        raise InputError(f"{place} is not JSON ({getattr(error, 'msg', error)}).") from None


def require(needed: Collection[str], found: Collection[str], where: str) -> None:
    """Raise :class:`InputError`, naming what is missing and what was found, unless all ``needed`` columns are there."""
    missing = [name for name in needed if name not in found]
    if missing:
        raise InputError(f"{where} has no {', '.join(missing)}; it has {', '.join(map(str, found)) or 'nothing'}.")


def text(values: Mapping[str, Any], name: str, where: str) -> str | None:
    """The text called ``name`` without space around it; ``None`` where there is none."""
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: {name} must be text, not {value!r}.")
    return (value or "").strip() or None


def read_text(file: Path) -> str:
    """What ``file`` says, in UTF-8 with or without the mark that spreadsheets put before it."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({first_line(error)}).") from None


def existing(folder: Path, name: str, where: str) -> Path:
    """The picture that a list calls ``name``, if there is a file of that name in ``folder`` or below."""
    path, parts = folder / name, PurePath(name)
    if parts.is_absolute() or ".." in parts.parts:  # lists are handed on, and may name any file of whoever reads them
        raise InputError(f"{where}: {name!r} leads out of {folder}; put the picture, or a link to it, there.")
    if not os.path.isfile(path):  # unlike Path.is_file, also false for names that are too long
        raise InputError(f"{where}: there is no image at {path}.")
    return path
