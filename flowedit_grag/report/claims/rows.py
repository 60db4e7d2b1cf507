"""Claims about the rows of a run: two of them sample by sample, or those that are one edit with one number turned."""

from collections.abc import Callable, Iterator

from ...experiments.published import PublishedTable, published
from ..comparison import Comparison
from ..differences import Pair, paired
from ..intervals import Mean
from ..strength import Curve, curves
from .base import GRAG, ICEDIT, Claim, Evidence, claimed
from .smoothness import excess

TABLE = "grag-1"
METHODS = ("FlowEdit", "StableFlow", "StableFlow+")
# the paper's column -> what is asked of the lab instead, and what both are called here
ASKED = {"SSIM": ("ssim_outside", "of the source is kept"), "PF": ("lab_success", "of the edit is made")}

DIRECT, IN_CONTEXT, LORA, MIXTURE = "direct prompt", "training-free, inpainting", "LoRA", "LoRA-MoE"
STEPS_UP = (
    ("the in-context prompt, over the bare instruction,", IN_CONTEXT, DIRECT),
    ("LoRA, over no training,", LORA, IN_CONTEXT),
    ("LoRA-MoE, over LoRA,", MIXTURE, LORA),
)
WAYS = {"lab_success": "makes more of the edits", "lab_kept": "keeps all else more often"}
SEEDS, STEPS = 6, 10  # of the early filter, as published
VLMS = ("vlm:", "openai:")  # how the names of such judges begin
GRADED = "no row that a VLM judged beside one without a filter; the lab's own judge, its oracle, is also the grader"

OTHERS = {"lambda": "lambda", "CFG": "true_cfg"}  # that turn an edit as delta does, and the number that is turned
SMOOTH = ("ssim_outside", "psnr_outside")


def grag_effects(evidence: Evidence) -> Iterator[Claim]:
    """For each editor: whether more or less of the source is kept, and of the edit made, as the paper has it."""
    paper = published(TABLE)
    labels = [one.label for one in paper.columns]
    for method in METHODS:
        for column, (metric, what) in ASKED.items():
            with_grag = f"{method} + GRAG"
            rest, turned = (float(str(paper.rows[name][labels.index(column)])) for name in (method, with_grag))
            more = turned > rest
            text = f"GRAG on {method}: {'more' if more else 'less'} {what} ({column} {rest:g} to {turned:g})"
            found = _gaps(evidence, metric, _named(with_grag, method, paper), more)
            yield claimed(paper.source, text, found, "run configs/lab/table1.yaml first")


def icedit_steps(evidence: Evidence) -> Iterator[Claim]:
    """What the prompt and the adapters do for edits from instructions."""
    for what, better, worse in STEPS_UP:
        for metric, way in WAYS.items():
            found = _gaps(evidence, metric, _named(better, worse))
            yield claimed(f"{ICEDIT}, Table 3", f"{what} {way}", found, "run configs/lab/instructions.yaml first")


def early_filter(evidence: Evidence) -> Iterator[Claim]:
    """The paper's claim is about a VLM's judgement. A judge that is also the grader proves nothing of it."""
    for metric, way in WAYS.items():
        text = f"an early filter with a VLM as its judge, {SEEDS} seeds of {STEPS} steps, over one seed, {way}"
        yield claimed(f"{ICEDIT}, Table 3", text, _gaps(evidence, metric, _filtered), GRADED)


def delta_is_smooth(evidence: Evidence) -> Iterator[Claim]:
    """Total variation of a metric over its range, of delta against lambda and against classifier-free guidance."""
    for label, turned in OTHERS.items():
        for metric in SMOOTH:
            text, found = f"delta turns {metric} more smoothly than {label}", _excesses(evidence, turned, metric)
            yield claimed(f"{GRAG}, Table 2 and Fig. 10", text, found, "run configs/lab/table2.yaml first")


def _gaps(
    evidence: Evidence, metric: str, find: Callable[[Comparison], Pair | None], is_above: bool = True
) -> Iterator[tuple[str, Mean]]:
    """Of each comparison that has both rows and the metric; the second row is to be above where not ``is_above``."""
    for comparison in evidence.comparisons:
        if (pair := find(comparison)) is None or (column := pair[0].column([metric])) is None:
            continue
        found = paired(comparison, *pair, column)
        gap = found.gap("points") if column.is_rate else found.gap("", 4)
        measured = f"{metric} {gap}, n = {found.n}, {comparison.title}"
        yield measured, found.scaled(1 if is_above else -1)


def _excesses(evidence: Evidence, turned: str, metric: str) -> Iterator[tuple[str, Mean]]:
    """Of each comparison that has both curves and the metric."""
    for comparison in evidence.comparisons:
        pair, columns = _two_curves(comparison, "delta", turned), comparison.named([metric])
        if pair is None or not columns:
            continue
        ours, theirs, gap = excess(*pair, columns[0], comparison)
        if gap.n:
            first, second = (f"{of.value:.2f} ({of.low:.2f} to {of.high:.2f})" for of in (ours, theirs))
            yield f"total variation / range {first} against {second}, n = {gap.n}, {comparison.title}", gap


def _two_curves(comparison: Comparison, one: str, other: str) -> tuple[Curve, Curve] | None:
    """Of one method on one model, the two curves of most values that turn ``one`` and ``other``."""
    found = curves(comparison.lines)
    first, second = ([curve for curve in found if curve.turned == turned] for turned in (one, other))
    pairs = [(ours, theirs) for ours in first for theirs in second if _edits_with(ours) == _edits_with(theirs)]
    return max(pairs, key=lambda pair: sum(len(curve.points) for curve in pair), default=None)


def _edits_with(curve: Curve) -> tuple[str, str]:
    (_, line), *_ = curve.points
    return str(line.made_with["method"]), line.model


def _named(first: str, second: str, paper: PublishedTable | None = None) -> Callable[[Comparison], Pair | None]:
    """Finds two rows by their names, or by what they are called in a ``paper``."""

    def find(comparison: Comparison) -> Pair | None:
        lines = {paper.find(line.row) if paper else line.row: line for line in comparison.lines}
        one, other = lines.get(first), lines.get(second)
        return None if one is None or other is None else (one, other)

    return find


def _filtered(comparison: Comparison) -> Pair | None:
    """A row with an early filter as published and a VLM as its judge, and the same row without the filter."""
    for line in comparison.lines:
        way = dict(line.made_with)
        early = way.pop("early_filter", None)
        if not early or (early["seeds"], early["steps"]) != (SEEDS, STEPS) or not early["judge"].startswith(VLMS):
            continue
        plain = next((other for other in comparison.lines if dict(other.made_with) == way), None)
        if plain is not None:
            return line, plain
    return None
