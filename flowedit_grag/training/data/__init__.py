"""Where pairs of pictures come from: one kind of source to a file.

A source is a frozen dataclass of options whose ``open()`` checks what can be checked and returns :class:`Pairs`.
"""

from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from ...registry import Registry

SOURCES = Registry(
    "data source",
    __name__,
    {
        "lab": "lab:LabSource",
        "folder": "folder:FolderSource",
        "huggingface": "huggingface:HuggingFaceSource",
    },
)


@dataclass(frozen=True)
class Pair:
    """A picture before and after an edit, and the instruction. ``name`` is for error messages."""

    source: Image.Image
    target: Image.Image
    instruction: str
    name: str


class Pairs(Protocol):
    """Random access is all that is asked of them, so that a killed run can go on anywhere."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Pair: ...
