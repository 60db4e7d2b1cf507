"""All methods on all tasks: success, kept, distance to source and ground truth, cost."""

import numpy as np

from ...analysis.charts import Series, curves
from ...guidance.grag import GRAG
from ...lab.tasks import TASKS
from ..edits import Contestant, run
from ..records import Record, Records
from ..summary import difference, mean
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


def section(bench: Bench) -> Table:
    trials, records = bench.trials(PER_TASK), bench.records("edits")
    run(bench.flow, [*METHODS, *STRENGTHS], trials, records)
    table = Table(
        f"{len(trials)} {bench.split} edits, every method with its own settings",
        ("method", "task", *OUTCOMES, "NFE", "seconds"),
    )
    for contestant in METHODS:
        for task in ("all", *TASKS):
            found = _of(records, contestant.name, task)
            nfe, seconds = (np.mean([record[key] for record in found]) for key in ("nfe", "seconds"))
            table.add(contestant.name, task, *outcomes(found), f"{nfe:.0f}", f"{seconds:.1f}")
    table.remarks += [_by_task(records).markdown(), *(line for name in CLAIMANTS for line in _claims(records, name))]
    columns = [(bench.flow, contestant) for contestant in METHODS if contestant.name in GALLERY_METHODS]
    table.figures += [_frontier(bench, records), gallery(bench.out / "gallery.png", columns, trials)]
    return table


def _of(records: Records, label: str, task: str) -> list[Record]:
    found = records.where(label=label) if task == "all" else records.where(label=label, task=task)
    return sorted(found, key=lambda record: (record["task"], record["index"]))


def _by_task(records: Records) -> Table:
    """Which method for which edit."""
    table = Table("Right edits: asked attribute reached and all others kept", ("method", "all", *TASKS))
    for contestant in METHODS:
        found = {task: _of(records, contestant.name, task) for task in ("all", *TASKS)}
        right = {task: mean([r["success"] and r["kept"] for r in found[task]]) for task in found}
        table.add(contestant.name, right["all"].percent(), *(f"{100 * right[task].value:.0f} %" for task in TASKS))
    return table


def _claims(records: Records, name: str) -> list[str]:
    """The method against the sdedit that succeeds just as often or little more (or the one that does most often), and
    against regeneration."""
    rate, rates = _success(records, name), {c.name: _success(records, c.name) for c in FRONTIER}
    equal = [rival for rival in rates if rates[rival] >= rate]
    chosen = min(equal, key=rates.__getitem__) if equal else max(rates, key=rates.__getitem__)
    return [_claim(records, name, rival) for rival in dict.fromkeys((chosen, "regeneration"))]


def _claim(records: Records, name: str, rival: str) -> str:
    own, other = _of(records, name, "all"), _of(records, rival, "all")
    kept = difference([r["kept"] for r in own], [r["kept"] for r in other])
    outside = difference([r["psnr_outside"] for r in own], [r["psnr_outside"] for r in other])
    return (
        f"{name} ({_success(records, name):.0%} success) against {rival} ({_success(records, rival):.0%}): kept "
        f"{100 * kept.value:+.0f} points ({100 * kept.low:+.0f} to {100 * kept.high:+.0f}), PSNR outside the mask "
        f"{outside.value:+.1f} dB ({outside.low:+.1f} to {outside.high:+.1f})."
    )


def _success(records: Records, name: str) -> float:
    return float(np.mean([record["success"] for record in _of(records, name, "all")]))


def _frontier(bench: Bench, records: Records):
    """Success against kept: sdedit's strengths as a curve, every other method as a point."""

    def point(name: str) -> tuple[float, float]:
        return _success(records, name), float(np.mean([record["kept"] for record in _of(records, name, "all")]))

    lines = [Series("sdedit, strength 0.5 to 1", sorted(point(c.name) for c in FRONTIER))]
    lines += [Series(c.name, [point(c.name)]) for c in METHODS if c.method != "sdedit"]
    return curves(lines, bench.out / "frontier.png", "success", "kept", "Success against preservation")
