"""FlowEdit's two dials (its Fig. 7): how many steps are made, and how strongly the target guides."""

import numpy as np

from flowedit_grag.analysis.charts import Series, curves

from ..edits import Contestant, run
from .base import OUTCOMES, Bench, Table, outcomes

PER_TASK = 10
TASKS = ("color", "background", "shape", "style")
N_MAX, GUIDANCE = (24, 21, 18, 15, 12), (5.5, 4.5, 3.5, 2.5, 1.5)  # the published setting first


def _at(n_max: int, guidance: float) -> Contestant:
    options = {"n_max": n_max, "target_guidance": guidance}
    return Contestant(f"n_max {n_max}, guidance {guidance:g}", "flowedit", options)


FEWER_STEPS = [_at(n_max, GUIDANCE[0]) for n_max in N_MAX]
LESS_GUIDANCE = [_at(N_MAX[0], guidance) for guidance in GUIDANCE]


def section(bench: Bench) -> Table:
    trials = bench.trials(PER_TASK, TASKS)
    contestants = [*FEWER_STEPS, *LESS_GUIDANCE[1:]]
    found = run(bench.flow, contestants, trials, bench.records("tradeoff"))
    table = Table(
        f"FlowEdit: steps made and target guidance, {len(trials)} {bench.split} edits", ("setting", *OUTCOMES)
    )
    for contestant in contestants:
        table.add(contestant.name, *outcomes(found[contestant.name]))

    def point(contestant: Contestant) -> tuple[float, float]:
        own = found[contestant.name]
        return float(np.mean([r["psnr_outside"] for r in own])), float(np.mean([r["success"] for r in own]))

    lines = [
        Series("n_max 24 to 12", [point(contestant) for contestant in FEWER_STEPS]),
        Series("guidance 5.5 to 1.5", [point(contestant) for contestant in LESS_GUIDANCE]),
    ]
    path = bench.out / "tradeoff.png"
    table.figures.append(curves(lines, path, "PSNR outside the mask, dB", "success", "FlowEdit's trade-off"))
    return table
