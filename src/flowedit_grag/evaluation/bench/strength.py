"""The dial: what delta does to StableFlow+'s edits, scene by scene."""

import numpy as np
from scipy.stats import spearmanr

from ...analysis.charts import Series, curves
from ..edits import Contestant, run
from ..records import Record
from ..summary import difference, mean
from .base import OUTCOMES, Bench, Table, outcomes

DELTAS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
PER_TASK = 10
TASKS = ("color", "background", "shape", "style")
SWEEP = Contestant("stableflow+", "stableflow+", deltas=DELTAS)


def section(bench: Bench) -> Table:
    trials = bench.trials(PER_TASK, TASKS)
    curve = run(bench.flow, [SWEEP], trials, bench.records("strength"))
    table = Table(
        f"Strength: StableFlow+ with GRAG, {len(trials)} {bench.split} edits",
        ("delta", "SSIM outside mask", *OUTCOMES),
    )
    for delta, found in zip(DELTAS, curve.values(), strict=True):
        table.add(f"{delta:g}", mean([r["ssim_outside"] for r in found]).number(3), *outcomes(found))
    for name, key, digits in (("SSIM", "ssim_outside", 3), ("PSNR", "psnr_outside", 2)):
        heights = [[record[key] for record in found] for found in curve.values()]
        ranks, gain = np.array(correlations(heights)), difference(heights[-1], heights[0])
        table.remarks.append(
            f"{name} outside the mask, delta {DELTAS[-1]:g} over {DELTAS[0]:g}: {gain.number(digits)}. Spearman "
            f"correlation with delta: median {np.median(ranks):.2f} over {len(ranks)} edits; "
            f"{np.mean(ranks >= 0.9):.0%} of them at 0.9 or more (asked: median 0.9 or more)."
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
