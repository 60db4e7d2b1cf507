"""Inversion and back: what each solver loses against the autoencoder's round trip."""

from flowedit_grag.lab.splits import scenes
from flowedit_grag.report.intervals import difference, mean

from ..reconstruction import reconstruct
from .base import Bench, Table

SCENES = 60
STEPS = 28
SOLVERS = ("euler", "ddim", "midpoint", "fireflow", "uni_inv")


def section(bench: Bench) -> Table:
    sample = scenes(bench.split, bench.count(SCENES))
    found = reconstruct(bench.flow, sample, SOLVERS, STEPS, bench.records("reconstruction"))
    values = {name: [record["psnr"] for record in found[name]] for name in SOLVERS}
    table = Table(
        f"Inversion and reconstruction, {STEPS} steps, {len(sample)} {bench.split} scenes",
        ("solver", "NFE", "PSNR against the round trip, dB"),
        [(name, str(found[name][0]["nfe"]), mean(values[name]).number()) for name in SOLVERS],
    )
    gain = difference(values["midpoint"], values["euler"])
    behind = difference(values["midpoint"], values["fireflow"])
    table.remarks.append(
        f"Midpoint over Euler: {gain.number()} dB (asked: 6 or more). Midpoint over FireFlow at about half the NFE: "
        f"{behind.number()} dB (asked: 3 or less)."
    )
    return table
