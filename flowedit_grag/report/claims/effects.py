"""Claims about what GRAG does to an editor: the signs of the published table's differences."""

from collections.abc import Iterator

from ...experiments.published import PublishedTable, published
from ..comparison import Row
from ..differences import paired
from .base import Claim, Evidence, judged

TABLE = "grag-1"
METHODS = ("FlowEdit", "StableFlow", "StableFlow+")
# the paper's column -> what is asked of the lab instead, and what both are called here
ASKED = {"SSIM": ("ssim_outside", "of the source is kept"), "PF": ("lab_success", "of the edit is made")}


def grag_effects(evidence: Evidence) -> Iterator[Claim]:
    """For each editor: whether more or less of the source is kept, and of the edit made, as the paper has it."""
    for method in METHODS:
        for column in ASKED:
            yield _claim(published(TABLE), method, column, evidence)


def _claim(paper: PublishedTable, method: str, column: str, evidence: Evidence) -> Claim:
    (metric, what), names = ASKED[column], (method, f"{method} + GRAG")
    index = [one.label for one in paper.columns].index(column)
    rest, turned = (float(str(paper.rows[name][index])) for name in names)
    sign = 1 if turned > rest else -1
    text = f"GRAG on {method}: {'more' if sign > 0 else 'less'} {what} ({column} {rest:g} to {turned:g})"
    for comparison in evidence.comparisons:
        lines: dict[str | None, Row] = {paper.find(line.row): line for line in comparison.lines}
        without, with_grag = (lines.get(name) for name in names)
        if without is None or with_grag is None or (measure := with_grag.column([metric])) is None:
            continue
        found = paired(comparison, with_grag, without, measure)
        claimed = found if sign > 0 else paired(comparison, without, with_grag, measure)
        measured = f"{metric} {found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f}), n = {found.n}"
        return Claim(paper.source, text, measured, judged(claimed))
    return Claim(paper.source, text, "run configs/lab/table1.yaml first", "not measured")
