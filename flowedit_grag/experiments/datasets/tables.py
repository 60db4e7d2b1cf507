"""Benchmarks that come as tables: parquet files, or data sets of the hub."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from ...backbone.image import UNREADABLE, read_image
from ...errors import InputError, first_line
from .rows import require


@dataclass(frozen=True)
class ParquetTable:
    """Rows whose pictures are decoded one by one, when asked for."""

    name: str
    rows: Any  # datasets.Dataset

    @classmethod
    def read(cls, path: str, split: str, columns: Collection[str], pictures: Collection[str]) -> "ParquetTable":
        """``path`` is a parquet file, a folder of them, or a hub id. ``columns`` and ``pictures`` are those needed.

        Raises :class:`InputError` for tables that cannot be read and columns that are missing.
        """
        datasets = _library()
        rows = _rows(datasets, path, split)
        require((*columns, *pictures), rows.column_names, path)
        for name in pictures:
            try:
                rows = rows.cast_column(name, datasets.Image())
            except (ValueError, TypeError, NotImplementedError) as error:  # arrow's are of these
                raise InputError(f"{path}: the column {name!r} holds no pictures ({first_line(error)}).") from None
        return cls(path, rows)

    def values(self, columns: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """For each row, what to call it in errors and its values in ``columns``."""
        for number, values in enumerate(self.rows.select_columns(list(columns))):
            yield self.where(number), values

    def where(self, row: int) -> str:
        return f"{self.name}, row {row}"

    def picture(self, row: int, column: str) -> Image.Image:
        """A picture in the mode it has."""
        try:
            picture = self.rows.select_columns([column])[row][column]
        except UNREADABLE as error:
            raise InputError(f"{self.where(row)}: {column} cannot be read ({first_line(error)}).") from None
        if picture is None:
            raise InputError(f"{self.where(row)}: there is no {column}.")
        return picture

    def image(self, row: int, column: str) -> Image.Image:
        """A picture in RGB."""
        return read_image(self.picture(row, column))


def _library() -> Any:
    try:
        return import_module("datasets")
    except ImportError as error:
        raise InputError(f"this dataset needs datasets ({error}); pip install 'flowedit-grag[eval]'.") from None


def _rows(datasets: Any, path: str, split: str) -> Any:
    place = Path(path)
    try:
        if place.exists():
            return datasets.load_dataset("parquet", data_files=_files(place, split), split="train")
        return datasets.load_dataset(path, split=split)
    except InputError:
        raise
    except Exception as error:  # of many libraries: arrow, fsspec, the hub's client
        raise InputError(f"{path!r} cannot be read ({first_line(error)}).") from error


def _files(place: Path, split: str) -> list[str]:
    """The file itself, or what is named after the split (``dev-00000-of-00004.parquet``, ``dev/0000.parquet``)."""
    if place.is_file():
        return [str(place)]
    files = [file for file in place.rglob("*.parquet") if split in (file.stem.partition("-")[0], file.parent.name)]
    if not files:
        raise InputError(f"there is no {split}-*.parquet in {place}.")
    return sorted(map(str, files))
