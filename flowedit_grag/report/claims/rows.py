"""Claims about two rows of a run, sample by sample."""

from collections.abc import Callable, Iterator

from ...experiments.published import PublishedTable, published
from ..comparison import Comparison, Row
from ..differences import paired
from ..intervals import Mean
from .base import ICEDIT, Claim, Evidence, judged, not_measured

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
GRADED = "the lab's runs are judged by its oracle, which is also the grader; no VLM has judged"

Pair = tuple[Row, Row]  # the row that a claim says is above the other


def grag_effects(evidence: Evidence) -> Iterator[Claim]:
    """For each editor: whether more or less of the source is kept, and of the edit made, as the paper has it."""
    paper = published(TABLE)
    for method in METHODS:
        for column, (metric, what) in ASKED.items():
            with_grag = f"{method} + GRAG"
            index = [one.label for one in paper.columns].index(column)
            rest, turned = (float(str(paper.rows[name][index])) for name in (method, with_grag))
            more = turned > rest
            text = f"GRAG on {method}: {'more' if more else 'less'} {what} ({column} {rest:g} to {turned:g})"
            find = _named(with_grag, method, paper)
            yield _claim(evidence, paper.source, text, metric, find, "run configs/lab/table1.yaml first", more)


def icedit_steps(evidence: Evidence) -> Iterator[Claim]:
    """What the prompt and the adapters do for edits from instructions."""
    for what, better, worse in STEPS_UP:
        for metric, way in WAYS.items():
            find, wanted = _named(better, worse), "run configs/lab/instructions.yaml first"
            yield _claim(evidence, f"{ICEDIT}, Table 3", f"{what} {way}", metric, find, wanted)


def early_filter(evidence: Evidence) -> Iterator[Claim]:
    """The paper's claim is about a VLM's judgement. A judge that is also the grader proves nothing of it."""
    for metric, way in WAYS.items():
        text = f"an early filter with a VLM as its judge, {SEEDS} seeds of {STEPS} steps, over one seed, {way}"
        yield _claim(evidence, f"{ICEDIT}, Table 3", text, metric, _filtered, GRADED)


def _claim(
    evidence: Evidence, source: str, text: str, metric: str, find: Callable[[Comparison], Pair | None], otherwise: str,
    is_above: bool = True,
) -> Claim:  # fmt: skip
    """Of the first comparison that has both rows and the metric; ``otherwise`` says why it is not measured."""
    for comparison in evidence.comparisons:
        if (pair := find(comparison)) is None or (column := pair[0].column([metric])) is None:
            continue
        first, second = pair
        found = paired(comparison, first, second, column)
        claimed = found if is_above else paired(comparison, second, first, column)
        measured = f"{metric} {_gap(found, column.is_rate)}, n = {found.n}, {comparison.title}"
        return Claim(source, text, measured, judged(claimed))
    return not_measured(source, text, otherwise)


def _gap(found: Mean, is_rate: bool) -> str:
    return found.gap("points") if is_rate else f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


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
