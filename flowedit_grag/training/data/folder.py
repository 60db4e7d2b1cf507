"""Pairs in a folder: ``source/``, ``target/`` and ``instructions.jsonl``."""

import json
from dataclasses import dataclass
from pathlib import Path

from ...backbone.image import read_image
from ...errors import InputError, first_line
from ...options import check_options
from . import Pair

INSTRUCTIONS = "instructions.jsonl"


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """A line of ``instructions.jsonl`` is ``{"image": "0001.png", "instruction": "make the hat red"}``; ``image`` is
    the name of a file in both ``source/`` and ``target/``."""

    source: str = "folder"
    path: str

    def __post_init__(self):
        check_options(self)

    def open(self) -> "FolderPairs":
        """Raises :class:`InputError` for lines that cannot be read and pictures that are not there."""
        folder = Path(self.path)
        file = folder / INSTRUCTIONS
        try:
            lines = file.read_text(encoding="utf-8-sig").split("\n")  # JSON may hold what splitlines() splits at
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file} cannot be read ({first_line(error)}).") from None
        entries = [_entry(folder, line, f"{file}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]
        return FolderPairs(folder, entries)


def _entry(folder: Path, line: str, where: str) -> tuple[str, str]:
    """The name of the pictures and the instruction."""
    try:
        values = json.loads(line)
        image, instruction = values["image"], values["instruction"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f'{where} is not like {{"image": "0001.png", "instruction": "make it red"}}.') from None
    if not isinstance(image, str) or not isinstance(instruction, str):
        raise InputError(f"{where}: image and instruction must be text.")
    if not instruction.strip():
        raise InputError(f"{where}: the instruction is empty.")
    for panel in ("source", "target"):
        if not (folder / panel / image).is_file():
            raise InputError(f"{where}: there is no image at {folder / panel / image}.")
    return image, instruction


@dataclass(frozen=True)
class FolderPairs:
    """Pictures are read when a pair is asked for; ``entries`` are their names and instructions."""

    folder: Path
    entries: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Pair:
        image, instruction = self.entries[index]
        source, target = (read_image(self.folder / panel / image) for panel in ("source", "target"))
        return Pair(source, target, instruction, str(self.folder / "source" / image))
