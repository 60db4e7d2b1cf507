"""Each method's settings for a model, chosen on the validation split: the best of a small grid."""

from itertools import product
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
GRIDS: dict[str, dict[str, tuple]] = {
    "sdedit": {"strength": (0.6, 0.7, 0.8, 0.9), "guidance": (1.5, 3.5, 5.5)},
    "flowedit": {"n_max": (18, 21, 24), "target_guidance": (3.5, 5.5, 7.0)},
    "rf-solver-edit": {"inject_steps": (1, 3, 5), "guidance": (2.0, 4.0)},
    "stableflow": {"nudge": (1.0, 1.15), "guidance": (3.0, 5.0, 7.0)},
    "stableflow+": {"nudge": (1.0, 1.15), "guidance": (3.0, 5.0, 7.0)},
}


def choose(flow: Flow, path: Path, per_task: int) -> dict[str, Options]:
    """The best options of each method's grid, by how many validation edits succeed and keep all else, and where that is
    equal by success. Records go to ``path``, so that a killed search goes on where it was."""
    records = Records(path, fingerprint(Path(locate(flow.name))) or flow.name)
    trials = [Trial("validation", i % per_task, edit) for i, edit in enumerate(problems("validation", per_task, TASKS))]
    chosen = {}
    for name, grid in GRIDS.items():
        contestants = [Contestant(_label(name, options), name, options) for options in _points(grid)]
        run(flow, contestants, trials, records)
        chosen[name] = max(contestants, key=lambda c: _quality(records, c.name)).options
    return chosen


def _points(grid: dict[str, tuple]) -> list[Options]:
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def _label(name: str, options: Options) -> str:
    return " ".join([name, *(f"{key}={value:g}" for key, value in options.items())])


def _quality(records: Records, label: str) -> tuple[float, float]:
    found = list(records.where(label=label))
    both = np.mean([record["success"] and record["kept"] for record in found])
    return float(both), float(np.mean([record["success"] for record in found]))
