"""Do vital layers carry the source better than as many others? (Stable Flow, arXiv:2411.14430, §3)"""

import math

import numpy as np

from flowedit_grag.injection.share import vital_layers
from flowedit_grag.methods.resolve import resolve_method
from flowedit_grag.report.intervals import difference
from flowedit_grag.report.measurements import Record

from ..edits import Contestant, run
from .base import OUTCOMES, Bench, Table, outcomes

PER_TASK = 8
TASKS = ("color", "background", "shape", "style")
DRAWS = 3  # random sets of layers that are not vital
NOT_VITAL = "not vital "
MEASURES = (("success", "points"), ("kept", "points"), ("psnr_outside", "dB"))


def section(bench: Bench) -> Table:
    trials, contestants = bench.trials(PER_TASK, TASKS), choices(bench)
    found = run(bench.flow, contestants, trials, bench.records("vital"))
    table = Table(
        f"StableFlow+ with other layers, {len(trials)} {bench.split} edits",
        ("set", "layers", *OUTCOMES),
    )
    for contestant in contestants:
        layers = " ".join(map(str, contestant.options["vital_layers"]))
        table.add(contestant.name, layers, *outcomes(found[contestant.name]))
    drawn = [name for name in found if name.startswith(NOT_VITAL)]
    for words, rivals in (("no layers", ["none"]), (f"others (mean of {len(drawn)} draws)", drawn)):
        gaps = ", ".join(_gap(found, rivals, *measure) for measure in MEASURES)
        table.remarks.append(f"Vital layers over {words}: {gaps}.")
    return table


def _gap(found: dict[str, list[Record]], rivals: list[str], key: str, unit: str) -> str:
    others = np.mean([[record[key] for record in found[rival]] for rival in rivals], axis=0)
    return f"{key} {difference([record[key] for record in found['vital']], others).gap(unit)}"


def choices(bench: Bench) -> list[Contestant]:
    """The vital layers that StableFlow+ uses, none, all, and ``DRAWS`` different random sets of as many others."""
    method = resolve_method("stableflow+", bench.flow, None, {})
    vital, count = vital_layers(method.vital_layers, bench.flow), bench.flow.layers
    rest = [layer for layer in range(count) if layer not in vital]
    rng = np.random.default_rng(0)
    possible, drawn = math.comb(len(rest), len(vital)), {}
    while len(drawn) < min(DRAWS, possible):
        drawn[tuple(sorted(rng.choice(rest, len(vital), replace=False).tolist()))] = None
    named = {"vital": vital, "none": (), "all": tuple(range(count))}
    named |= {f"{NOT_VITAL}{index}": layers for index, layers in enumerate(drawn, start=1)}
    return [Contestant(name, "stableflow+", {"vital_layers": layers}) for name, layers in named.items()]
