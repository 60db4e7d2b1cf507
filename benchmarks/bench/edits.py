"""All methods on all tasks: success, kept, distance to source and ground truth, cost."""

import numpy as np

from flowedit_grag.analysis.charts import Series, curves
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.lab.tasks import TASKS
from flowedit_grag.report.intervals import difference, rate
from flowedit_grag.report.measurements import Record

from ..edits import Contestant, run
from .base import OUTCOMES, Bench, Table, outcomes
from .gallery import gallery

PER_TASK = 30
METHODS = (
    Contestant("regeneration", "sdedit", {"strength": 1.0}),
    Contestant("sdedit", "sdedit"),
    Contestant("flowedit", "flowedit"),
    Contestant("rf-solver-edit", "rf-solver-edit"),
    Contestant("stableflow", "stableflow"),
    Contestant("stableflow+", "stableflow+"),
    Contestant("stableflow+ grag 1.1", "stableflow+", grag=GRAG(delta=1.1)),
)
STRENGTHS = tuple(Contestant(f"sdedit {s:g}", "sdedit", {"strength": s}) for s in (0.5, 0.6, 0.7, 0.9))
FRONTIER = (*STRENGTHS, *METHODS[:2])  # sdedit from little noise to noise alone
CLAIMANTS = ("flowedit", "stableflow+")
GALLERY_METHODS = ("sdedit", "flowedit", "rf-solver-edit", "stableflow", "stableflow+")
Found = dict[str, list[Record]]  # by contestant, in the order of the trials


def section(bench: Bench) -> Table:
    trials = bench.trials(PER_TASK)
    found = run(bench.flow, [*METHODS, *STRENGTHS], trials, bench.records("edits"))
    table = Table(
        f"{len(trials)} {bench.split} edits, every method with its own settings",
        ("method", "task", *OUTCOMES, "NFE", "seconds"),
    )
    for contestant in METHODS:
        for task, own in _tasks(found[contestant.name]).items():
            nfe, seconds = (np.mean([record[key] for record in own]) for key in ("nfe", "seconds"))
            table.add(contestant.name, task, *outcomes(own), f"{nfe:.0f}", f"{seconds:.1f}")
    table.remarks += [_by_task(found).markdown(), *(line for name in CLAIMANTS for line in claims(found, name))]
    columns = [(bench.flow, contestant) for contestant in METHODS if contestant.name in GALLERY_METHODS]
    table.figures += [_frontier(bench, found), gallery(bench.out / "gallery.png", columns, trials)]
    return table


def _tasks(found: list[Record]) -> dict[str, list[Record]]:
    return {"all": found} | {task: [record for record in found if record["task"] == task] for task in TASKS}


def _by_task(found: Found) -> Table:
    """Which method for which edit."""
    per_task = len(found[METHODS[0].name]) // len(TASKS)
    title = f"Right edits: asked attribute reached and all others kept ({per_task} of each task)"
    table = Table(title, ("method", "all", *TASKS))
    for contestant in METHODS:
        tasks = _tasks(found[contestant.name])
        right = [rate([record["success"] and record["kept"] for record in own]) for own in tasks.values()]
        table.add(contestant.name, right[0].percent(), *(f"{100 * task.value:.0f} %" for task in right[1:]))
    return table


def claims(found: Found, name: str) -> list[str]:
    """The method against the sdedit that succeeds just as often or little more (or the one that does most often), and
    against regeneration."""
    successes = {rival.name: _mean(found, rival.name, "success") for rival in FRONTIER}
    equal = [rival for rival in successes if successes[rival] >= _mean(found, name, "success")]
    chosen = min(equal, key=successes.__getitem__) if equal else max(successes, key=successes.__getitem__)
    return [_claim(found, name, rival) for rival in dict.fromkeys((chosen, "regeneration"))]


def _claim(found: Found, name: str, rival: str) -> str:
    parts = []
    for key, words, unit, digits in (("success", "success", "points", 0), ("kept", "kept", "points", 0),
                                     ("psnr_outside", "PSNR outside the mask", "dB", 1)):  # fmt: skip
        gain = difference(*([record[key] for record in found[label]] for label in (name, rival)))
        parts.append(f"{words} {gain.gap(unit, digits)}")
    return f"{name} over {rival}: {', '.join(parts)}."


def _mean(found: Found, name: str, key: str) -> float:
    return float(np.mean([record[key] for record in found[name]]))


def _frontier(bench: Bench, found: Found):
    """Success against kept: sdedit's strengths as a curve, every other method as a point."""

    def point(name: str) -> tuple[float, float]:
        return _mean(found, name, "success"), _mean(found, name, "kept")

    lines = [Series("sdedit, strength 0.5 to 1", sorted(point(c.name) for c in FRONTIER))]
    lines += [Series(c.name, [point(c.name)]) for c in METHODS if c.method != "sdedit"]
    return curves(lines, bench.out / "frontier.png", "success", "kept", "Success against preservation")
