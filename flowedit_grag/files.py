"""Files: written whole or not at all, and known by what is in them."""

import csv
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from .errors import InputError, first_line, shortened

FORMULA = ("=", "+", "-", "@", "\t", "\n")
PIECES, PIECE = 16, 2**16  # what is read of a large file: weights that were trained further differ everywhere


def settled(path: str | Path) -> Path:
    """``path`` as it is, or resolved where a folder that is yet to be made would turn a ``..`` into another place."""
    path = Path(path)
    return path if ".." not in path.parts or path.parent.exists() else Path(os.path.realpath(path.parent)) / path.name


@contextmanager
def written(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, with its ending and a short name; it becomes ``path`` when the block ends
    well. Raises :class:`FileExistsError` there for a file that has come up in the meantime, unless to ``overwrite``."""
    path = settled(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{_beginning(path)}{secrets.token_hex(4)}{path.suffix}")
    try:
        yield partial
        os.replace(partial, path) if overwrite else _named(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _named(partial: Path, path: Path) -> None:
    """Give a file its name, which nothing has: in one act where the file system knows links."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(partial, path)


def leftovers(path: Path) -> Iterator[Path]:
    """Temporary files that killed processes left of ``path``, or of what differs from it in the ending."""
    yield from path.parent.glob(f"{_beginning(path)}*")


def _beginning(path: Path) -> str:
    return f".{hashlib.sha256(os.fsencode(path.stem)).hexdigest()[:12]}."


def check_writable(folder: Path, advice: str, name: str = "") -> None:
    """Raise :class:`InputError` with an ``advice`` unless ``folder`` takes files, one with this ``name`` among them, or
    can be made. Leaves nothing."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
        with tempfile.TemporaryFile(dir=there):
            pass
        to_come = folder.absolute().parts[len(there.absolute().parts) :]
        for path in (folder / name, *(there / part for part in (*to_come, name))):
            with suppress(FileNotFoundError):
                path.lstat()  # the file system's own word on the name
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise InputError(f"cannot write in {shortened(str(folder / name))} ({why}); {advice}") from None


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """``rows`` as CSV. Text that spreadsheets would run as a formula has an apostrophe before it, as they have it."""
    csv.writer(taken := StringIO(), lineterminator="\n").writerows([map(_cell, row) for row in rows])
    return taken.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\r", "\n")  # which Python before 3.13 writes without quotation marks
    return f"'{text}" if text.startswith(FORMULA) else text


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where there is none, or half of one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def fingerprint(path: Path) -> str | None:
    """A hash of the file, or of all files in the folder, at ``path``; ``None`` if there is nothing."""
    if not path.exists():
        return None
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    found = [[str(file.relative_to(path)), file.stat().st_size, _contents(file)] for file in files]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _contents(file: Path) -> str:
    """A hash of a file, or of pieces all over it if it is large."""
    size, found = file.stat().st_size, hashlib.sha256()
    with open(file, "rb") as opened:
        if size <= PIECES * PIECE:
            return hashlib.sha256(opened.read()).hexdigest()
        for index in range(PIECES):
            opened.seek(index * (size - PIECE) // (PIECES - 1))
            found.update(opened.read(PIECE))
    return found.hexdigest()
