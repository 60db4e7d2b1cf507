"""Claims about solvers: what inversion and sampling back lose with each."""

from collections.abc import Iterator

from ..intervals import difference
from .base import GRAG, Claim, Evidence, judged, not_measured, sample

SECOND = "midpoint"  # StableFlow+'s
FIRST = {"ddim": "StableFlow's own", "uni_inv": "a first-order solver that corrects itself"}


def second_order(evidence: Evidence) -> Iterator[Claim]:
    """The solver of second order against the solvers of first order that somebody would use in its place."""
    records = evidence.records("reconstruction")
    by_solver: dict[str, dict[int, dict]] = {}
    for record in records:
        by_solver.setdefault(record["solver"], {})[record["index"]] = record
    ours = by_solver.get(SECOND, {})
    for name, what in FIRST.items():
        source = f"{GRAG}, StableFlow+"
        text = f"a solver of second order ({SECOND}) reconstructs better than {name}, {what}"
        theirs = by_solver.get(name, {})
        if not (both := ours.keys() & theirs.keys()):
            yield not_measured(source, text, "run `python -m benchmarks reconstruction` first")
            continue
        gain = difference([ours[index]["psnr"] for index in both], [theirs[index]["psnr"] for index in both])
        nfe = [sum(of[index]["nfe"] for index in both) / len(both) for of in (ours, theirs)]
        measured = f"psnr {gain.gap('dB')} at {nfe[0]:.0f} NFE against {nfe[1]:.0f}, {sample(gain.n, records)}"
        yield Claim(source, text, measured, judged(gain))
