"""After the export: find the lab's vital layers and put them into its profile, with the chart beside it."""

import json
from dataclasses import asdict
from pathlib import Path

from flowedit_grag.backbone.known_models import FILE_NAME
from flowedit_grag.files import written

from .export import WEIGHTS

PROMPTS = 16


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Detect with ``steps`` sampling steps on the exported weights; the chart goes to ``folder``."""
    from flowedit_grag.analysis.vital_layers import detect, write
    from flowedit_grag.backbone.load import load

    found = detect(load("lab", device=device), prompts=PROMPTS, steps=steps)
    write(found, folder / "vital.json")
    path = WEIGHTS / FILE_NAME
    with written(path) as partial:
        facts = {**json.loads(path.read_text()), "vital_layers": found.vital_layers}
        partial.write_text(json.dumps(facts, indent=2) + "\n")
    print(asdict(found), flush=True)
