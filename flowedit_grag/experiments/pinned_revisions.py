"""What a run was begun with, and goes on with, whatever the hub has since."""

from pathlib import Path

from .records import read_object

ITEMS = "manifest.json"


def pinned_revisions(folder: Path) -> dict[str, str]:
    """The commits of the hub's models in the run at ``folder``, by the model's name; none where there is no run."""
    ways = read_object(folder / ITEMS).get("made_with")
    models = [way.get("model") for way in ways.values() if isinstance(way, dict)] if isinstance(ways, dict) else []
    return {model["name"]: model["commit"] for model in models if isinstance(model, dict) and "commit" in model}
