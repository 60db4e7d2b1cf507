"""Which layers carry the source into an edit: share keys and values in them, and see what arrives where.

A layer whose absence changes pictures (:mod:`vital_layers`) need not be one through which a source is seen. Here
pictures of the model's own are edited into what a second prompt says, sharing in one layer, then in sets. The source
should arrive where the prompts agree, and the edit stay where they do not.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from ..backbone.flow import Condition
from ..backbone.image_flow import ImageFlow
from ..methods.inputs import Source, Steps, run_to_end
from ..methods.resolve import resolve_method
from ..methods.stableflow import StableFlow
from ..progress import OnProgress, Progress
from .charts import PALETTE, save, sheet, write_json
from .sharing import DELTAS, Sharing, compared, disagreement
from .vital_layers import check_counts, chosen, generator_of

PAIRS = (  # for models without pairs of their own
    ("a photo of a dog sitting on the grass", "a photo of a cat sitting on the grass"),
    ("a red car parked in a city street", "a blue car parked in a city street"),
    ("a bowl of fruit on a wooden table", "a bowl of fruit and a candle on a wooden table"),
    ("a woman reading a book in a cafe", "a woman drinking coffee in a cafe"),
    ("a lighthouse on a cliff above the sea", "a castle on a cliff above the sea"),
    ("a bird on a snowy branch", "a bird on a branch with green leaves"),
    ("an old castle on a hill at sunset", "an old castle on a hill at night"),
    ("a cup of coffee next to a laptop", "a vase of flowers next to a laptop"),
)  # fmt: skip
STEPS = 10
CANDIDATES = 6  # layers, the best alone, of which sets are made
BEAM = 3  # sets of one size that go on


@dataclass(frozen=True)
class CarryLayers:
    """``singles``: every layer alone; ``sets``: the best of each size that was tried; the one with the highest score is
    ``vital_layers``, under which name the methods look for them. ``layers`` are their module names."""

    model: str
    detector: str
    pairs: list[tuple[str, str]]
    seeds: int
    steps: int
    deltas: tuple[float, ...]
    layers: list[str]
    singles: list[Sharing]
    sets: list[Sharing]
    vital_layers: list[int]


@dataclass(frozen=True)
class Trial:
    """A picture of the model's own, and an edit of it."""

    source: Source
    path: list[Tensor]  # the source's, inverted
    target: Condition
    inside: Tensor  # [h, w], from 0 where the prompts agree to 1 where they do not

    def edited(self, edit: StableFlow, deltas: Sequence[float]) -> Tensor:
        """What the edit changes of the source, ``[deltas, C, h, w]``."""
        return edit(
            self.source.flow, self.source.latents, source=self.source.condition, target=[self.target] * len(deltas),
            grag=deltas, prepare=lambda _: _kept(self.path),
        ) - self.source.latents  # fmt: skip


def detect(
    flow: ImageFlow,
    *,
    pairs: int | Sequence[tuple[str, str]] = 8,
    seeds: int = 1,
    steps: int = STEPS,
    size: tuple[int, int] | None = None,
    guidance: float = 3.5,
    on_progress: OnProgress | None = None,
) -> CarryLayers:
    """Edit a picture for every pair and seed with ``stableflow+``, sharing in each layer and then in sets.

    Args:
        pairs: how many of the model's own or the built-in ones, or yours: a prompt, and what it is edited into.
        size: of the pictures, by default the model's own.
        guidance: of the pictures; edits have what suits the model.

    Raises :class:`InputError` for counts below 1, for Fill models, and where prompts of a pair make no difference.
    """
    _edit(flow, steps, ()).check_model(flow)
    texts = [(str(source), str(target)) for source, target in chosen(pairs, lambda: flow.profile.pairs or PAIRS)]
    check_counts(seeds, steps, len(texts))
    trials = []
    for index, pair in enumerate(texts):
        draws = range(index * seeds, (index + 1) * seeds)
        sources = generator_of(flow, pair[:1], draws, steps, size, guidance)()
        trials += [_trial(flow, pair, latents, steps) for latents in sources]
        if on_progress:
            on_progress(Progress("pictures", index + 1, len(texts)))
    plain = [trial.edited(_edit(flow, steps, ()), (1.0,)) for trial in trials]

    def share(layers: tuple[int, ...]) -> Sharing:
        edit = _edit(flow, steps, layers)
        return compared(layers, [trial.edited(edit, DELTAS) for trial in trials], plain, [of.inside for of in trials])

    singles, sets = greedy(share, flow.layers, on_progress)
    best = max(sets, key=lambda one: one.score, default=None)
    if best is None:
        warnings.warn("no layer carries the source; with more pairs, seeds or steps one may.", stacklevel=2)
    return CarryLayers(
        model=flow.name, detector="carry", pairs=texts, seeds=seeds, steps=steps, deltas=DELTAS,
        layers=list(flow.attention()), singles=singles, sets=sets, vital_layers=list(best.layers) if best else [],
    )  # fmt: skip


def _edit(flow: ImageFlow, steps: int, layers: tuple[int, ...]) -> StableFlow:
    """Second order at the cost of first."""
    options = {"steps": steps, "solver": "fireflow", "vital_layers": layers}
    return cast(StableFlow, resolve_method("stableflow+", flow, None, options))


@torch.no_grad()
def _trial(flow: ImageFlow, pair: tuple[str, str], latents: Tensor, steps: int) -> Trial:
    edit, conditions = _edit(flow, steps, ()), flow.condition(pair)
    source = edit.source(flow, latents, conditions[0], None)
    path = run_to_end(edit.prepare(source))
    return Trial(source, path, conditions[1], disagreement(flow, conditions, latents, steps, edit.guidance))


def greedy(
    share: Callable[[tuple[int, ...]], Sharing], count: int, on_progress: OnProgress | None = None
) -> tuple[list[Sharing], list[Sharing]]:
    """Every layer alone; and the best set of each size, until one is no better than that before it.

    Sets are made of the best layers, and the best few of one size go on: the best need not be part of a better one.
    """

    def tried(sets: Sequence[tuple[int, ...]], stage: str) -> list[Sharing]:
        found = []
        for layers in sets:
            found.append(share(layers))
            if on_progress:
                on_progress(Progress(stage, len(found), len(sets)))
        return found

    singles = tried([(layer,) for layer in range(count)], "layers")
    ranked = sorted(singles, key=lambda one: -one.score)
    beam, candidates = [one for one in ranked[:BEAM] if one.score > 0], [one.layers[0] for one in ranked[:CANDIDATES]]
    sets = beam[:1]
    while grown := _grown([one.layers for one in beam], candidates):
        beam = sorted(tried(sorted(grown), f"sets of {len(sets) + 1}"), key=lambda one: -one.score)[:BEAM]
        sets.append(beam[0])
        if beam[0].score <= sets[-2].score:
            break
    return singles, sets


def _grown(sets: Sequence[tuple[int, ...]], candidates: Sequence[int]) -> set[tuple[int, ...]]:
    """The ``sets`` with one more of the ``candidates``."""
    return {tuple(sorted((*layers, one))) for layers in sets for one in candidates if one not in layers}


def _kept(path: list[Tensor]) -> Steps:
    yield from ()
    return path


def write(found: CarryLayers, path: Path) -> list[Path]:
    """Write the JSON at ``path`` and the chart beside it (``.png``); returns both paths."""
    return [write_json(asdict(found), path, indent=2), _chart(found, path.with_suffix(".png"))]


def _chart(found: CarryLayers, path: Path) -> Path:
    """What of the source every layer alone carries and what of the edit survives, at both deltas; and scores."""
    count = len(found.layers)
    figure, (carried, survived, scores) = sheet(
        3, f"{found.model}: layers that carry the source", panel=(max(4.2, 0.2 * count), 3.4)
    )
    for index, (delta, color) in enumerate(zip(found.deltas, (PALETTE[0], PALETTE[3]), strict=True)):
        at = [layer + 0.4 * index - 0.2 for layer in range(count)]
        carried.bar(at, [one.carried[index] for one in found.singles], 0.4, color=color, label=f"delta {delta:g}")
        survived.bar(at, [one.survived[index] for one in found.singles], 0.4, color=color)
    for axes, title in ((carried, "carried of the source"), (survived, "survives of the edit")):
        axes.set(title=title, xlabel="attention layer")
        axes.set_xticks(range(0, count, 1 if count <= 20 else 5))
    carried.axhline(0, color="black", linewidth=0.8)
    carried.legend(fontsize=7)
    shown = [*found.singles, *found.sets[1:]]
    colors = [PALETTE[1 if list(one.layers) == found.vital_layers else 5] for one in shown]
    scores.bar(range(len(shown)), [one.score for one in shown], color=colors)
    scores.set_title("score: layers, best sets")
    scores.set_xticks(range(len(shown)), [" ".join(map(str, one.layers)) for one in shown], rotation=90, fontsize=7)
    scores.axhline(0, color="black", linewidth=0.8)
    return save(figure, path)
