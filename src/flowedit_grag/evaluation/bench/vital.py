"""Do vital layers carry the source better than as many others? (Stable Flow, arXiv:2411.14430, §3)"""

import numpy as np

from ...algorithms.select import with_profile
from ...algorithms.vital import vital_layers
from ...injection.seam import sites
from ..edits import Contestant, run
from ..summary import difference
from .base import OUTCOMES, Bench, Table, outcomes

PER_TASK = 8
TASKS = ("color", "background", "shape", "style")
DRAWS = 3  # random sets of layers that are not vital


def section(bench: Bench) -> Table:
    trials, records = bench.trials(PER_TASK, TASKS), bench.records("vital")
    contestants = choices(bench)
    run(bench.flow, contestants, trials, records)
    table = Table(
        f"StableFlow+ with other layers, {len(trials)} edits",
        ("layers", "sites", *OUTCOMES),
    )
    for contestant in contestants:
        found = list(records.where(label=contestant.name))
        table.add(contestant.name, " ".join(map(str, contestant.options["vital_layers"])), *outcomes(found))
    for key, unit, factor in (("success", "points", 100), ("kept", "points", 100), ("psnr_outside", "dB", 1)):
        vital = [r[key] for r in records.where(label="vital")]
        others = [[r[key] for r in records.where(label=f"not vital {draw + 1}")] for draw in range(DRAWS)]
        gap = difference(vital, np.mean(others, axis=0))
        table.remarks.append(
            f"Vital over not vital, {key}: {factor * gap.value:+.1f} {unit} "
            f"({factor * gap.low:+.1f} to {factor * gap.high:+.1f})."
        )
    return table


def choices(bench: Bench) -> list[Contestant]:
    """The vital layers that StableFlow+ uses, none, all, and ``DRAWS`` random sets of as many that are not vital."""
    method = with_profile("stableflow+", bench.flow, None, {})
    vital, count = vital_layers(method.vital_layers, bench.flow), len(sites(bench.flow.transformer))
    rest = [site for site in range(count) if site not in vital]
    rng = np.random.default_rng(0)
    drawn = [tuple(sorted(rng.choice(rest, min(len(vital), len(rest)), replace=False).tolist())) for _ in range(DRAWS)]
    named = {"vital": vital, "none": (), "all": tuple(range(count))}
    named |= {f"not vital {index + 1}": layers for index, layers in enumerate(drawn)}
    return [Contestant(name, "stableflow+", {"vital_layers": layers}) for name, layers in named.items()]
