"""FlowEdit's two dials (its Fig. 7): how many steps are made, and how strongly the target guides."""

import numpy as np

from ...analysis.charts import Series, curves
from ..edits import Contestant, run
from .base import OUTCOMES, Bench, Table, outcomes

PER_TASK = 10
TASKS = ("color", "background", "shape", "style")
STEPS = tuple(Contestant(f"n_max {n}", "flowedit", {"n_max": n}) for n in (24, 21, 18, 15, 12))
GUIDANCE = tuple(Contestant(f"guidance {g:g}", "flowedit", {"target_guidance": g}) for g in (1.5, 2.5, 3.5, 4.5, 5.5))


def section(bench: Bench) -> Table:
    trials, records = bench.trials(PER_TASK, TASKS), bench.records("tradeoff")
    run(bench.flow, [*STEPS, *GUIDANCE], trials, records)
    table = Table(
        f"FlowEdit: steps made and target guidance, {len(trials)} edits",
        ("setting", *OUTCOMES),
    )
    points = {}
    for contestant in (*STEPS, *GUIDANCE):
        found = list(records.where(label=contestant.name))
        table.add(contestant.name, *outcomes(found))
        outside, success = (float(np.mean([record[key] for record in found])) for key in ("psnr_outside", "success"))
        points[contestant.name] = outside, success
    lines = [
        Series("n_max 24 to 12", [points[c.name] for c in STEPS]),
        Series("guidance 1.5 to 5.5", [points[c.name] for c in GUIDANCE]),
    ]
    path = bench.out / "tradeoff.png"
    table.figures.append(curves(lines, path, "PSNR outside the mask, dB", "success", "FlowEdit's trade-off"))
    return table
