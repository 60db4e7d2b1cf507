"""After the vital layers are known: choose every method's settings on the validation split, into the profile."""

import json
from pathlib import Path

from flowedit_grag.backbone.known_models import FILE_NAME
from flowedit_grag.files import written

from .export import WEIGHTS


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Choose on ``steps`` validation edits of each task."""
    from benchmarks.choosing import choose, lab_grids
    from flowedit_grag.backbone.load import load

    vitality = json.loads((folder / "vital.json").read_text())["vitality"]
    chosen = choose(load("lab", device=device), folder / "settings.jsonl", steps, lab_grids(vitality))
    path = WEIGHTS / FILE_NAME
    facts = json.loads(path.read_text())
    for name, options in chosen.items():
        facts["settings"][name] = {**facts["settings"].get(name, {}), **options}
    with written(path) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n")
    print(chosen, flush=True)
