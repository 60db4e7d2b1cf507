"""Claims about attention itself, which need a model or nothing but arithmetic."""

import math
from collections.abc import Iterator

from ...analysis.branches import Branches
from ...analysis.entropy import entropies
from ...analysis.toy import KEYS, QUERY, VALUES, toy
from ...lab.splits import problems
from ..intervals import mean
from .base import Claim, Evidence

PAPER = "GRAG (arXiv:2510.24657)"
DELTAS = (0.9, 1.0, 1.1, 1.2, 1.3)
STEPS = 8
PER_TASK = 2  # pictures
TOLERANCE = 1e-6


def entropy_falls(evidence: Evidence) -> Iterator[Claim]:
    """In how many layers the attention's entropy falls with every step of delta, over pictures."""
    counts, layers = [], 0
    for seed, edit in enumerate(problems("validation", PER_TASK)):
        words = {"source_prompt": edit.source_prompt, "target_prompt": edit.target_prompt}
        found = entropies(Branches.of(evidence.flow, edit.images()[0], **words, steps=STEPS, seed=seed), DELTAS)
        counts.append(found["falling"]["source"])
        layers = len(found["layers"])
    average = mean(counts)
    measured = f"in {average.value:.1f} of {layers} layers ({average.low:.1f} to {average.high:.1f}), n = {average.n}"
    text = "entropy among the source's tokens falls as delta grows, in every layer"
    yield Claim(f"{PAPER}, Fig. S2", text, measured, "holds" if average.value == layers else "does not hold")


def toy_curves(_: Evidence) -> Iterator[Claim]:
    """The toy experiment through the code that edits pictures, against its closed form."""
    found, worst = toy(), 0.0
    for strategy, all_of in found.items():
        for value, scores in zip(VALUES, all_of, strict=True):
            worst = max(worst, *(abs(a - b) for a, b in zip(scores, _closed(strategy, value), strict=True)))
    measured = f"largest difference {worst:.0e} (asked: {TOLERANCE:.0e}), n = {len(VALUES) * len(found)}"
    yield Claim(f"{PAPER}, Fig. S1", "the toy curves", measured, "holds" if worst <= TOLERANCE else "does not hold")


def _closed(strategy: str, value: float) -> tuple[float, ...]:
    """Eqs. 9 to 11 and S1 on the toy's numbers."""
    first, second, word = KEYS.values()
    bias = (first + second) / 2
    lam = value if "lambda" in strategy else 1.0
    delta = value if "delta" in strategy else 1.0
    keys = [lam * bias + delta * (first - bias), lam * bias + delta * (second - bias), word]
    weights = [math.exp(QUERY * key) for key in keys]
    scores = [weight / sum(weights) for weight in weights]
    return (value * scores[0], value * scores[1], scores[2]) if "weight" in strategy else tuple(scores)
