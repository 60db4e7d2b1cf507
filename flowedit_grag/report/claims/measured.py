"""Claims about what is no edit: attention, and what inversion and sampling back lose."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ...analysis import toy
from ..intervals import difference, mean
from .base import GRAG, Claim, Evidence, judged, sample

ENTROPY = "the entropy of attention over all tokens falls as delta grows, on average over layers"
WORD = "with delta a word keeps its share of attention beside the source's tokens, with lambda it is drowned"
VALUES = (1.0, 2.0, 4.0)  # of delta and of lambda in the toy
SECOND = "midpoint"  # StableFlow+'s
FIRST = {"ddim": "StableFlow's own", "uni_inv": "a first-order solver that corrects itself"}


def entropy_falls(evidence: Evidence) -> Iterator[Claim]:
    """The entropy over all tokens, picture by picture, at the lowest delta and at the highest.

    Among the source's tokens alone it falls for any queries and keys: a softmax of logits that are scaled up has less
    entropy. That is no evidence.
    """
    source, records = f"{GRAG}, Fig. S2", evidence.records("entropy")
    deltas = sorted({record["delta"] for record in records})
    pictures: dict[str, dict[int, dict[float, float]]] = {}
    for record in records:
        of_layer = pictures.setdefault(record["id"], {}).setdefault(record["layer"], {})
        of_layer[record["delta"]] = record["all"]
    curves = [[[of[delta] for delta in deltas] for of in layers.values() if len(of) == len(deltas)]
              for layers in pictures.values()]  # fmt: skip
    if len(deltas) < 2 or not all(curves):
        yield Claim(source, ENTROPY, "run `python -m benchmarks entropy` first", "not measured")
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


def second_order(evidence: Evidence) -> Iterator[Claim]:
    """The solver of second order against the solvers of first order that somebody would use in its place."""
    source, records = f"{GRAG}, StableFlow+", evidence.records("reconstruction")
    by_solver: dict[str, dict[int, dict]] = {}
    for record in records:
        by_solver.setdefault(record["solver"], {})[record["index"]] = record
    ours = by_solver.get(SECOND, {})
    for name, what in FIRST.items():
        text = f"a solver of second order ({SECOND}) reconstructs better than {name}, {what}"
        theirs = by_solver.get(name, {})
        if not (both := ours.keys() & theirs.keys()):
            yield Claim(source, text, "run `python -m benchmarks reconstruction` first", "not measured")
            continue
        gain = difference([ours[index]["psnr"] for index in both], [theirs[index]["psnr"] for index in both])
        nfe = [sum(of[index]["nfe"] for index in both) / len(both) for of in (ours, theirs)]
        measured = f"psnr {gain.gap('dB')} at {nfe[0]:.0f} NFE against {nfe[1]:.0f}, {sample(gain.n, records)}"
        yield Claim(source, text, measured, judged(gain))
