"""Each method's settings for a model, chosen on the validation split: one option after the other, from small grids."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.backbone.load import locate
from flowedit_grag.files import fingerprint
from flowedit_grag.lab.splits import problems
from flowedit_grag.lab.tasks import TASKS
from flowedit_grag.report.measurements import Record, Records

from .edits import Contestant, Trial, run

Options = dict[str, Any]
Grid = dict[str, tuple]  # values to try for each option, the option that matters most first
GRIDS: dict[str, Grid] = {
    "sdedit": {"strength": (0.7, 0.6, 0.8, 0.9), "guidance": (3.5, 5.5)},
    "flowedit": {"n_max": (24, 21, 18), "target_guidance": (5.5, 3.5)},
    "rf-solver-edit": {"inject_steps": (2, 1, 4), "guidance": (2.0, 3.5, 5.5)},
}
STABLE_FLOW: Grid = {"nudge": (1.15, 1.0), "vital_layers": (), "guidance": (3.0, 4.0, 5.0, 7.0)}
MOST_LAYERS = 3


def lab_grids(vitality: Sequence[float]) -> dict[str, Grid]:
    """Every method's grid; Stable Flow's may take one, two or three of the most vital layers."""
    ranked = sorted(range(len(vitality)), key=lambda layer: -vitality[layer])
    layers = tuple(tuple(sorted(ranked[:count])) for count in range(1, MOST_LAYERS + 1))
    return GRIDS | dict.fromkeys(("stableflow", "stableflow+"), STABLE_FLOW | {"vital_layers": layers})


def choose(flow: Flow, path: Path, per_task: int, grids: dict[str, Grid]) -> dict[str, Options]:
    """Each method's best options.

    Options are searched in their order, each with those before it where most edits are right and those after it at
    their first value; of all settings tried, :func:`best` is chosen. Records go to ``path``, so that a killed search
    goes on where it was.
    """
    records = Records(path, fingerprint(Path(locate(flow.name)) / "transformer") or flow.name)
    trials = [Trial("validation", i % per_task, edit) for i, edit in enumerate(problems("validation", per_task, TASKS))]

    def measured(name: str, options: Options) -> list[Record]:
        contestant = Contestant(_label(name, options), name, options)
        return run(flow, [contestant], trials, records)[contestant.name]

    chosen = {}
    for name, grid in grids.items():
        options, tried = {option: values[0] for option, values in grid.items()}, []
        for option, values in grid.items():
            points = [{**options, option: value} for value in values]
            tried += points
            options = max(points, key=lambda point: _right(measured(name, point)))
        chosen[name] = tried[best([measured(name, point) for point in tried])]
    return chosen


def best(found: Sequence[Sequence[Record]]) -> int:
    """Of several settings' records: the one with the highest PSNR outside the mask among those that make about as many
    edits right as the one that makes most, within its standard error."""
    right = np.array([_right(own) for own in found])
    outside = np.array([np.mean([record["psnr_outside"] for record in own]) for own in found])
    most = right.max()
    error = np.sqrt(most * (1 - most) / len(found[0]))
    return int(np.argmax(np.where(right >= most - error, outside, -np.inf)))


def _right(found: Sequence[Record]) -> float:
    """The share of edits that reach the asked attribute and keep all others."""
    return float(np.mean([record["success"] and record["kept"] for record in found]))


def _label(name: str, options: Options) -> str:
    return " ".join([name, *(f"{option}={value}" for option, value in options.items())])
