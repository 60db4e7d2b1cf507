"""After the export: the vital layers, and the settings that suit each method, go into the model's profile."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowedit_grag.analysis.vital_layers import detect, write
from flowedit_grag.backbone.known_models import FILE_NAME
from flowedit_grag.backbone.load import load
from flowedit_grag.errors import InputError
from flowedit_grag.files import written
from flowedit_grag.methods import METHODS
from flowedit_grag.options import option_names
from flowedit_grag.report.runs import Outcome, read_runs

from .export import WEIGHTS

PROMPTS = 16
RUN = "lab_settings"  # out: of configs/lab/settings.yaml, within ``folder``


def train_vital(folder: Path, steps: int, device: str = "cpu") -> None:
    """Detect vital layers with ``steps`` sampling steps on the exported weights; the chart goes to ``folder``."""
    found = detect(load("lab", device=device), prompts=PROMPTS, steps=steps)
    write(found, folder / "vital.json")
    _change(WEIGHTS, {"vital_layers": found.vital_layers})


def train_settings(folder: Path, steps: int, device: str = "cpu", weights: Path = WEIGHTS) -> None:
    """Choose among the rows of the finished run of ``configs/lab/settings.yaml``, which is in ``folder``."""
    settings = json.loads((weights / FILE_NAME).read_text())["settings"]
    for method, options in chosen(folder / RUN).items():
        settings[method] = {**settings.get(method, {}), **options}
    _change(weights, {"settings": settings})


def chosen(folder: Path) -> dict[str, dict[str, Any]]:
    """The options of the :func:`best` row of each method. Raises :class:`InputError` unless the run is finished."""
    (run,) = read_runs([folder])
    rows: dict[str, list[str]] = {}
    for row, config in run.config["methods"].items():
        rows.setdefault(config["method"], []).append(row)
    if len(run.manifest.items) != sum(not one.reason for of_row in run.outcomes.values() for one in of_row.values()):
        raise InputError(f"{folder} is not finished, or some of it failed; run its config to the end first.")
    picked = {method: own[best([[*run.outcomes[row].values()] for row in own])] for method, own in rows.items()}
    return {method: _options(method, run.config["methods"][row]) for method, row in picked.items()}


def _options(method: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the method that a row sets."""
    return {name: config[name] for name in option_names(METHODS[method]) if config.get(name) is not None}


def best(found: Sequence[Sequence[Outcome]]) -> int:
    """Of several settings' edits of the same problems: the setting with the highest PSNR outside the mask among those
    that make about as many edits right (asked attribute reached, all others kept) as the one that makes most, within
    its standard error."""
    numbers = [[one.numbers for one in own] for own in found]
    right = np.array([np.mean([of["lab_success"] and of["lab_kept"] for of in own]) for own in numbers])
    outside = np.array([np.mean([of["psnr_outside"] for of in own]) for own in numbers])
    most = right.max()
    error = np.sqrt(most * (1 - most) / len(found[0]))
    return int(np.argmax(np.where(right >= most - error, outside, -np.inf)))


def _change(weights: Path, values: dict[str, Any]) -> None:
    """Put ``values`` into the profile beside ``weights``."""
    path = weights / FILE_NAME
    with written(path) as partial:
        partial.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=2) + "\n")
    print(values, flush=True)
