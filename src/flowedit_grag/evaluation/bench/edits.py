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
FRONTIER = tuple(Contestant(f"sdedit {s:g}", "sdedit", {"strength": s}) for s in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
CLAIMANTS = ("flowedit", "stableflow+")
GALLERY_METHODS = ("sdedit", "flowedit", "rf-solver-edit", "stableflow", "stableflow+")


def section(bench: Bench) -> Table:
    trials, records = bench.trials(PER_TASK), bench.records("edits")
    run(bench.flow, [*METHODS, *FRONTIER], trials, records)
    table = Table(
        f"{len(trials)} {bench.split} edits, every method with its own settings",
        ("method", "task", *OUTCOMES, "NFE", "seconds"),
    )
    for contestant in METHODS:
        for task in ("all", *TASKS):
            found = _of(records, contestant.name, task)
            nfe, seconds = (np.mean([record[key] for record in found]) for key in ("nfe", "seconds"))
            table.add(contestant.name, task, *outcomes(found), f"{nfe:.0f}", f"{seconds:.1f}")
    table.remarks += [_claim(records, name) for name in CLAIMANTS]
    columns = [(bench.flow, contestant) for contestant in METHODS if contestant.name in GALLERY_METHODS]
    table.figures += [_frontier(bench, records), gallery(bench.out / "gallery.png", columns, trials)]
    return table


def _of(records: Records, label: str, task: str) -> list[Record]:
    found = records.where(label=label) if task == "all" else records.where(label=label, task=task)
    return sorted(found, key=lambda record: (record["task"], record["index"]))


def _claim(records: Records, name: str) -> str:
    """The method against the sdedit strength that succeeds at least as often (or, if none does, most often)."""
    own = _of(records, name, "all")
    rate = mean([r["success"] for r in own]).value
    rivals = {c.name: _of(records, c.name, "all") for c in FRONTIER}
    rates = {rival: mean([r["success"] for r in found]).value for rival, found in rivals.items()}
    equal = [rival for rival in rivals if rates[rival] >= rate]
    chosen = equal[0] if equal else max(rates, key=rates.__getitem__)
    other = rivals[chosen]
    kept = difference([r["kept"] for r in own], [r["kept"] for r in other])
    outside = difference([r["psnr_outside"] for r in own], [r["psnr_outside"] for r in other])
    return (
        f"{name} ({100 * rate:.0f} % success) against {chosen} ({100 * rates[chosen]:.0f} %): kept "
        f"{100 * kept.value:+.0f} points ({100 * kept.low:+.0f} to {100 * kept.high:+.0f}), PSNR outside the mask "
        f"{outside.value:+.1f} dB ({outside.low:+.1f} to {outside.high:+.1f})."
    )


def _frontier(bench: Bench, records: Records):
    """Success against kept: sdedit's strengths as a curve, every other method as a point."""

    def point(name: str) -> tuple[float, float]:
        found = _of(records, name, "all")
        return float(np.mean([r["success"] for r in found])), float(np.mean([r["kept"] for r in found]))

    lines = [Series("sdedit, strength 0.4 to 1", [point(c.name) for c in FRONTIER])]
    lines += [Series(c.name, [point(c.name)]) for c in METHODS if c.method != "sdedit"]
    return curves(lines, bench.out / "frontier.png", "success", "kept", "Success against preservation")
