"""Checks of what a row of a benchmark holds."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError, first_line


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


def existing(path: Path, where: str) -> Path:
    """``path``, if there is a file."""
    if not os.path.isfile(path):  # unlike Path.is_file, also false for names that are too long
        raise InputError(f"{where}: there is no image at {path}.")
    return path
