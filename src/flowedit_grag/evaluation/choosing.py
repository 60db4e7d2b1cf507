"""Each method's settings for a model, chosen on the validation split: one option after the other, from small grids."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backbone.flow import Flow
from ..backbone.load import locate
from ..files import fingerprint
from ..lab.tasks import TASKS
from .edits import Contestant, Trial, run
from .records import Records
from .splits import problems

Options = dict[str, Any]
Grid = dict[str, tuple]  # values to try for each option, the option that matters most first
GRIDS: dict[str, Grid] = {
    "sdedit": {"strength": (0.7, 0.6, 0.8, 0.9), "guidance": (3.5, 5.5)},
    "flowedit": {"n_max": (24, 21, 18), "target_guidance": (5.5, 3.5)},
    "rf-solver-edit": {"inject_steps": (2, 1, 4), "guidance": (2.0, 3.5)},
}
STABLE_FLOW: Grid = {"nudge": (1.15, 1.0), "vital_layers": (), "guidance": (3.0, 5.0, 7.0)}
MOST_LAYERS = 3


def grids(vitality: Sequence[float]) -> dict[str, Grid]:
    """Every method's grid; Stable Flow's may take one, two or three of the most vital layers."""
    ranked = sorted(range(len(vitality)), key=lambda layer: -vitality[layer])
    layers = tuple(tuple(sorted(ranked[:count])) for count in range(1, MOST_LAYERS + 1))
    return GRIDS | dict.fromkeys(("stableflow", "stableflow+"), STABLE_FLOW | {"vital_layers": layers})


def choose(flow: Flow, path: Path, per_task: int, grids: dict[str, Grid]) -> dict[str, Options]:
    """Each method's best options, by how many validation edits succeed and keep all else, then by success alone, then
    by PSNR outside the mask.

    Options are searched in their order, each with those before it at their best and those after it at their first
    value. Records go to ``path``, so that a killed search goes on where it was.
    """
    records = Records(path, fingerprint(Path(locate(flow.name))) or flow.name)
    trials = [Trial("validation", i % per_task, edit) for i, edit in enumerate(problems("validation", per_task, TASKS))]

    def quality(name: str, options: Options) -> tuple[float, ...]:
        contestant = Contestant(_label(name, options), name, options)
        run(flow, [contestant], trials, records)
        return _quality(records, contestant.name)

    chosen = {}
    for name, grid in grids.items():
        options = {option: values[0] for option, values in grid.items()}
        for option, values in grid.items():
            points = [{**options, option: value} for value in values]
            options = max(points, key=lambda point: quality(name, point))
        chosen[name] = options
    return chosen


def _label(name: str, options: Options) -> str:
    return " ".join([name, *(f"{option}={value}" for option, value in options.items())])


def _quality(records: Records, label: str) -> tuple[float, ...]:
    found = list(records.where(label=label))
    both = np.mean([record["success"] and record["kept"] for record in found])
    rest = (np.mean([record[key] for record in found]) for key in ("success", "psnr_outside"))
    return float(both), *map(float, rest)
