"""Claims about how evenly delta turns an edit, against the other ways of turning it."""

import math
from collections.abc import Iterator

from ..comparison import Comparison
from ..smoothness import excess
from ..strength import Curve, curves
from .base import GRAG, Claim, Evidence, judged, not_measured

SOURCE = f"{GRAG}, Table 2 and Fig. 10"
OTHERS = {"lambda": "lambda", "CFG": "true_cfg"}
METRICS = ("ssim_outside", "psnr_outside")


def smoothness_claims(evidence: Evidence) -> Iterator[Claim]:
    """Total variation of a metric over its range, of delta against lambda and against classifier-free guidance."""
    for label, turned in OTHERS.items():
        for metric in METRICS:
            yield _claim(evidence, label, turned, metric)


def _claim(evidence: Evidence, label: str, turned: str, metric: str) -> Claim:
    text = f"delta turns {metric} more smoothly than {label}"
    for comparison in evidence.comparisons:
        delta, other = (_curve(comparison, name) for name in ("delta", turned))
        column = next((one for one in comparison.columns if one.name == metric), None)
        if delta is None or other is None or column is None:
            continue
        ours, theirs, gap = excess(delta, other, column, comparison)
        if not gap.n or math.isnan(gap.value):
            continue
        measured = (
            f"total variation / range {ours.value:.2f} ({ours.low:.2f} to {ours.high:.2f}) against "
            f"{theirs.value:.2f} ({theirs.low:.2f} to {theirs.high:.2f}), n = {gap.n}, {comparison.title}"
        )
        return Claim(SOURCE, text, measured, judged(gap))
    return not_measured(SOURCE, text, "run configs/lab/table2.yaml first")


def _curve(comparison: Comparison, turned: str) -> Curve | None:
    """The curve of most values among those that turn it."""
    found = [curve for curve in curves(comparison.lines) if curve.turned == turned]
    return max(found, key=lambda curve: len(curve.points), default=None)
