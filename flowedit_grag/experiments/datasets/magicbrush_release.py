"""MagicBrush as its authors hand out its parts, the test set among them: JSON files beside a folder of pictures."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from PIL import Image

from ...backbone.image import UNREADABLE
from ...errors import InputError, first_line
from ...tables import existing, read_text, require, text

SESSIONS, CAPTIONS = "edit_sessions.json", "local_descriptions.json"
NAMES = ("input", "mask", "output", "instruction")


@dataclass(frozen=True)
class Release:
    """``folder`` has ``edit_sessions.json``: by session, its turns in order, each with the names of three pictures in
    ``images/SESSION`` and the instruction. Captions of the results, by which MagicBrush takes CLIP-T, are in
    ``local_descriptions.json``, by session and picture.
    """

    folder: Path
    sessions: Mapping[str, list[dict[str, Any]]]
    captions: Mapping[str, Mapping[str, str]]

    @classmethod
    def found(cls, path: str, split: str) -> Self | None:
        """The one in ``path`` or in its folder ``split``; ``None`` where there is none.

        Raises :class:`InputError` for one that cannot be read.
        """
        for folder in (Path(path), Path(path) / split):
            if (folder / SESSIONS).is_file():
                captions = _object(folder / CAPTIONS) if (folder / CAPTIONS).is_file() else {}
                return cls(folder, _object(folder / SESSIONS), captions)
        return None

    def turns(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Session, number of the turn from 1 on, and its values under ``NAMES``."""
        for session, turns in self.sessions.items():
            where = f"{self.folder / SESSIONS}, {session!r}"
            if not isinstance(turns, list) or not all(isinstance(values, dict) for values in turns):
                raise InputError(f"{where} is not a list of turns.")
            for number, values in enumerate(turns, start=1):
                place = f"{where}, turn {number}"
                require(NAMES, values, place)
                found = {name: text(values, name, place) for name in NAMES}
                if None in found.values():
                    raise InputError(f"{place}: {', '.join(name for name in NAMES if found[name] is None)} is empty.")
                yield session, number, found

    def file(self, session: str, name: str) -> Path:
        """Where a picture is. Raises :class:`InputError` where it is not."""
        return existing(self.folder / "images" / Path(session).name / Path(name).name, str(self.folder / SESSIONS))

    def caption(self, session: str, output: str) -> str | None:
        """What a result shows, if the release says so."""
        captions = self.captions.get(session)
        return text(captions, output, str(self.folder / CAPTIONS)) if isinstance(captions, dict) else None


def opened(path: Path) -> Image.Image:
    """A picture in the mode that it has: masks are transparent where something may change."""
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}).") from None


def _object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON ({getattr(error, 'msg', error)}).") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} must have an object with an entry for each session.")
    return found
