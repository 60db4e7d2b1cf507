"""Pairs in a folder: ``source/``, ``target/`` and ``instructions.jsonl``."""

from dataclasses import dataclass
from pathlib import Path

from ...backbone.image import read_image
from ...errors import InputError
from ...options import check_options
from ...tables import existing, json_lines, text
from . import Pair

INSTRUCTIONS, PANELS = "instructions.jsonl", ("source", "target")


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
        folder, entries = Path(self.path), []
        for where, values in json_lines(folder / INSTRUCTIONS, '{"image": "0001.png", "instruction": "make it red"}'):
            image, instruction = (text(values, name, where) for name in ("image", "instruction"))
            if image is None or instruction is None:
                raise InputError(f"{where} needs an image and an instruction.")
            for panel in PANELS:
                existing(folder / panel, image, where)
            entries.append((image, instruction))
        return FolderPairs(folder, entries)


@dataclass(frozen=True)
class FolderPairs:
    """Pictures are read when a pair is asked for; ``entries`` are the names of two and an instruction."""

    folder: Path
    entries: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Pair:
        image, instruction = self.entries[index]
        source, target = (read_image(self.folder / panel / image) for panel in PANELS)
        return Pair(source, target, instruction, str(self.folder / "source" / image))
