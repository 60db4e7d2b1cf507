"""The dial: what delta does to StableFlow+'s edits, scene by scene, in the vital layers and in another."""

from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from flowedit_grag.analysis.charts import Series, curves
from flowedit_grag.backbone.flow import Flow
from flowedit_grag.report.intervals import difference, mean
from flowedit_grag.report.measurements import Record, Records

from ..edits import Contestant, run
from .base import OUTCOMES, Bench, Table, outcomes
from .instructions import STAGES, opened

DELTAS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
PER_TASK = 10
TASKS = ("color", "background", "shape", "style")
LAYER = 3  # of all twelve on 12 validation edits: keeps the most among those that make most edits
VITAL = Contestant("stableflow+", "stableflow+", deltas=DELTAS)
OTHER = Contestant(f"stableflow+ in layer {LAYER}", "stableflow+", {"vital_layers": (LAYER,)}, deltas=DELTAS)
IN_CONTEXT = Contestant("icedit", "icedit", deltas=DELTAS)


def section(bench: Bench) -> Table:
    return _swept(bench, bench.flow, bench.records("strength"), VITAL, "StableFlow+ with GRAG")


def other(bench: Bench) -> Table:
    """The same in a layer that the detector does not find."""
    records = bench.records("strength-layer")
    return _swept(bench, bench.flow, records, OTHER, f"StableFlow+ with GRAG in layer {LAYER}")


def in_context(bench: Bench) -> Table:
    """The same for ICEdit with its LoRA-MoE, where source features enter in every layer."""
    stage = STAGES[-1]
    records = bench.records("strength-icedit", *stage.made_with)
    return _swept(bench, opened(bench, stage), records, IN_CONTEXT, "ICEdit with GRAG")


def _swept(bench: Bench, flow: Flow, records: Records, sweep: Contestant, title: str) -> Table:
    trials = bench.trials(PER_TASK, TASKS)
    curve = run(flow, [sweep], trials, records)
    table = Table(
        f"Strength: {title}, {len(trials)} {bench.split} edits",
        ("delta", "SSIM outside mask", *OUTCOMES),
    )
    for delta, found in zip(DELTAS, curve.values(), strict=True):
        table.add(f"{delta:g}", mean([r["ssim_outside"] for r in found]).number(3), *outcomes(found))
    for metric, key, unit, digits in (("SSIM", "ssim_outside", "", 3), ("PSNR", "psnr_outside", "dB", 2)):
        heights = [[record[key] for record in found] for found in curve.values()]
        ranks, gain = np.array(correlations(heights)), difference(heights[-1], heights[0])
        table.remarks.append(
            f"{metric} outside the mask, delta {DELTAS[-1]:g} over {DELTAS[0]:g}: {gain.gap(unit, digits)}. Spearman "
            f"correlation with delta: median {np.median(ranks):.2f} over {len(ranks)} edits; "
            f"{np.mean(ranks >= 0.9):.0%} of them at 0.9 or more (asked: median 0.9 or more)."
        )
    assert records.path is not None
    table.figures.append(_figure(records.path.with_suffix(".png"), title, curve))
    return table


def correlations(curves: list[list[float]]) -> list[float]:
    """Spearman's rank correlation with the strength, for each scene of ``curves[strength][scene]``; 0 for flat ones."""
    return [_rising(column) for column in np.asarray(curves).T]


def _rising(column: np.ndarray) -> float:
    return 0.0 if np.ptp(column) == 0 else float(spearmanr(range(len(column)), column).statistic)


def _figure(path: Path, title: str, curve: dict[str, list[Record]]) -> Path:
    def line(name: str, key: str) -> Series:
        heights = [float(np.mean([record[key] for record in found])) for found in curve.values()]
        return Series(name, list(zip(DELTAS, heights, strict=True)))

    lines = [line("SSIM outside the mask", "ssim_outside"), line("success", "success"), line("kept", "kept")]
    return curves(lines, path, "delta", "mean", f"Strength of {title}")
