"""Claims about attention itself."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ...analysis import toy
from ..intervals import mean
from .base import GRAG, Claim, Evidence, judged, not_measured, sample

ENTROPY = "the entropy of attention over all tokens falls as delta grows, on average over layers"
WORD = "with delta a word keeps its share of attention beside the source's tokens, with lambda it is drowned"
VALUES = (1.0, 2.0, 4.0)  # of delta and of lambda in the toy


def entropy_falls(evidence: Evidence) -> Iterator[Claim]:
    """The entropy over all tokens, picture by picture, at the lowest delta and at the highest.

    Among the source's tokens alone it falls for any queries and keys: a softmax of logits that are scaled up has less
    entropy. That is no evidence.
    """
    source = f"{GRAG}, Fig. S2"
    pictures: dict[str, dict[int, dict[float, float]]] = {}
    records = evidence.records("entropy")
    for record in records:
        of_layer = pictures.setdefault(record["id"], {}).setdefault(record["layer"], {})
        of_layer[record["delta"]] = record["all"]
    deltas = sorted({delta for layers in pictures.values() for of in layers.values() for delta in of})
    curves = [[[of[delta] for delta in deltas] for of in layers.values() if len(of) == len(deltas)]
              for layers in pictures.values()]  # fmt: skip
    if len(deltas) < 2 or not all(curves) or not curves:
        yield not_measured(source, ENTROPY, "run `python -m benchmarks entropy` first")
        return
    fall = mean([float(np.mean([curve[0] - curve[-1] for curve in layers])) for layers in curves])
    throughout = np.mean([sum(all(b < a for a, b in pairwise(curve)) for curve in layers) for layers in curves])
    measured = (
        f"{-fall.value:+.4f} nats ({-fall.high:+.4f} to {-fall.low:+.4f}) from delta {deltas[0]:g} to {deltas[-1]:g}; "
        f"it falls with every step in {throughout:.1f} of {max(map(len, curves))} layers, {sample(fall.n, records)}"
    )
    yield Claim(source, ENTROPY, measured, judged(fall))


def the_word_stays(_: Evidence) -> Iterator[Claim]:
    """The paper's own toy, through the code that edits pictures: holds where the word gets more attention than either
    source token at every delta, and less than one of them at some lambda."""
    shares = {name: [toy.shares(toy.scores(toy.STRATEGIES[name](value))) for value in VALUES]
              for name in (toy.DELTA, toy.LAMBDA)}  # fmt: skip
    stays = {name: all(of[-1] == max(of) for of in found) for name, found in shares.items()}
    series = {name: " → ".join(f"{of[-1]:.2f}" for of in found) for name, found in shares.items()}
    at = ", ".join(f"{value:g}" for value in VALUES)
    measured = f"{series[toy.DELTA]} with delta at {at}; {series[toy.LAMBDA]} with lambda"
    holds = stays[toy.DELTA] and not stays[toy.LAMBDA]
    yield Claim(f"{GRAG}, Fig. S1", WORD, measured, "holds" if holds else "does not hold")
