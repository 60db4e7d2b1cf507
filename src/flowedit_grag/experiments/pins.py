"""What a run was begun with, and goes on with, whatever the hub has since."""

from pathlib import Path

from .records import read_object

CELLS = "cells.json"


def pinned(folder: Path) -> dict[str, str]:
    """The commits of the hub's models in the run at ``folder``, by the model's name; none where there is no run."""
    ways = read_object(folder / CELLS).get("made_with", {}).values()
    return {way["model"]["name"]: way["model"]["commit"] for way in ways if "commit" in way.get("model", {})}
