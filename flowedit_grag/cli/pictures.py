"""Commands that work on finished pictures: how they were made, and making them again."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from . import output
from .options import Overwrite

Picture = Annotated[Path, typer.Argument(metavar="FILE", help="A picture of edit, sweep or redo.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def show(file: Picture, as_json: AsJson = False) -> None:
    """How a picture was made: settings, prompts, seed, versions, source."""
    from ..image_metadata import read_settings

    settings = read_settings(file)
    if as_json:
        json.dump(settings, sys.stdout)
        print()
        return
    for name, value in _lines(settings):
        print(_printable(f"{name}: {value}"))


def redo(
    file: Picture,
    image: Annotated[
        Optional[Path], typer.Option(help="The source, where it is no longer at the path that FILE names.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--output", help="Where the picture goes.")] = Path("redone.png"),
    overwrite: Overwrite = False,
    allow_imports: Annotated[
        bool, typer.Option("--allow-imports", help="Import the code (module:Class) that FILE names; for your own only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a picture again, as it says it was made."""
    from ..image_metadata import read_settings

    with output.loading(as_json):
        from .. import reproduce

        settings = reproduce.checked(read_settings(file), file)
        source = reproduce.find_source(settings, file, image)
    out = output.new_file(out, [file, *([source] if source else [])], overwrite, (1, 1))
    with output.progress(quiet=as_json) as on_progress:
        result = reproduce.redo(file, image, allow_imports=allow_imports, on_progress=on_progress)
    out = output.saved(result, out, overwrite, settings.get("index"))
    output.report(result, out, as_json)


def _lines(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """As ``name: value``, without what was left at nothing."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{name}.")
        elif value is not None and value != []:
            yield f"{prefix}{name}", value


def _printable(text: str) -> str:
    """What a stranger's file says must not steer the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
