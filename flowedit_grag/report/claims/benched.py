"""Claims about two contestants of the bench on the same problems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..intervals import difference, share_difference
from .base import Claim, Evidence, judged


@dataclass(frozen=True)
class PairClaim:
    """``better`` is above ``worse`` in ``measure``; ``by`` is the key of a record that names the contestant."""

    source: str
    text: str
    section: str
    by: str
    better: str
    worse: str
    measure: str
    unit: str = "points"


ICEDIT = "ICEdit (arXiv:2504.20690), Table 3"
STEPS_UP = (
    ("the in-context prompt, over the bare instruction,", "instructions", "training-free, inpainting", "direct prompt"),
    ("LoRA, over no training,", "instructions", "LoRA", "training-free, inpainting"),
    ("LoRA-MoE, over LoRA,", "instructions", "LoRA-MoE", "LoRA"),
    ("the early filter, 6 seeds of 10 steps, over one seed,", "early-filter", "(6, 10) lab", "(1, -)"),
)
WAYS = (("makes more of the edits", "success"), ("keeps all else more often", "kept"))
PAIRS: Sequence[PairClaim] = (
    PairClaim("GRAG (arXiv:2510.24657), StableFlow+", "a solver of second order reconstructs better than one of first",
         "reconstruction", "solver", "midpoint", "euler", "psnr", "dB"),
    *(PairClaim(ICEDIT, f"{what} {way}", section, "label", better, worse, measure)
      for what, section, better, worse in STEPS_UP for way, measure in WAYS),
)  # fmt: skip


def pairs(evidence: Evidence) -> Iterator[Claim]:
    """A claim for each of :data:`PAIRS`."""
    for pair in PAIRS:
        yield _claim(pair, evidence)


def _claim(pair: PairClaim, evidence: Evidence) -> Claim:
    records = evidence.records(pair.section)
    first, second = (
        [float(record[pair.measure]) for record in records if record.get(pair.by) == name and pair.measure in record]
        for name in (pair.better, pair.worse)
    )
    if not first or len(first) != len(second):
        wanted = f"python -m flowedit_grag.lab.bench {pair.section}"
        return Claim(pair.source, pair.text, f"run `{wanted}` first", "not measured")
    gain = (share_difference if pair.unit == "points" else difference)(first, second)
    return Claim(pair.source, pair.text, f"{pair.measure} {gain.gap(pair.unit)}, n = {gain.n}", judged(gain))
