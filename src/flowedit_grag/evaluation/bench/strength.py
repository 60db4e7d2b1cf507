"""The dial: what delta does to StableFlow+'s edits, scene by scene."""

import numpy as np
from scipy.stats import spearmanr

from ...analysis.charts import Series, curves
from ..edits import Contestant, run
from ..records import Record
from ..summary import mean
from .base import OUTCOMES, Bench, Table, outcomes

DELTAS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
PER_TASK = 10
TASKS = ("color", "background", "shape", "style")
SWEEP = Contestant("stableflow+", "stableflow+", deltas=DELTAS)


def section(bench: Bench) -> Table:
    trials, records = bench.trials(PER_TASK, TASKS), bench.records("strength")
    run(bench.flow, [SWEEP], trials, records)
    table = Table(
        f"Strength: StableFlow+ with GRAG, {len(trials)} edits",
        ("delta", "SSIM outside mask", *OUTCOMES),
    )
    curve = {label: list(records.where(label=label)) for label in SWEEP.labels()}
    for delta, label in zip(DELTAS, SWEEP.labels(), strict=True):
        found = curve[label]
        table.add(f"{delta:g}", mean([r["ssim_outside"] for r in found]).number(3), *outcomes(found))
    for name, key in (("SSIM", "ssim_outside"), ("PSNR", "psnr_outside")):
        found = np.array(correlations([[r[key] for r in curve[label]] for label in SWEEP.labels()]))
        table.remarks.append(
            f"Spearman correlation of {name} outside the mask with delta: median {np.median(found):.2f} over "
            f"{len(found)} edits; {np.mean(found >= 0.9):.0%} of them at 0.9 or more (asked: median 0.9 or more)."
        )
    table.figures.append(_figure(bench, curve))
    return table


def correlations(curves: list[list[float]]) -> list[float]:
    """Spearman's rank correlation with the strength, for each scene of ``curves[strength][scene]``; 0 for flat ones."""
    return [_rising(column) for column in np.asarray(curves).T]


def _rising(column: np.ndarray) -> float:
    return 0.0 if np.ptp(column) == 0 else float(spearmanr(range(len(column)), column).statistic)


def _figure(bench: Bench, curve: dict[str, list[Record]]):
    def line(name: str, key: str) -> Series:
        heights = [float(np.mean([record[key] for record in found])) for found in curve.values()]
        return Series(name, list(zip(DELTAS, heights, strict=True)))

    lines = [line("SSIM outside the mask", "ssim_outside"), line("success", "success"), line("kept", "kept")]
    return curves(lines, bench.out / "strength.png", "delta", "mean", "Strength of StableFlow+ with GRAG")
