"""Attention entropy against GRAG's delta over several pictures (arXiv:2510.24657, fig. S2).

``entropy.jsonl``: a record for each problem, ``layer`` and ``delta``, with ``task``,
``source`` and ``all``: entropy in nats of what the edit's image tokens attend to, among the source's tokens and among
all tokens, the mean over heads, queries and noise levels; ``of.options`` has ``steps``. For fixed queries and keys the
entropy among the source's tokens can only fall; whether that among all tokens does is a finding."""

from itertools import product

import numpy as np

from flowedit_grag.analysis.branches import Branches
from flowedit_grag.analysis.entropy import draw, entropies
from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.experiments.samples import Sample, noise_seed
from flowedit_grag.report.intervals import mean
from flowedit_grag.report.measurements import Record, Records

from .base import Bench, Findings

PER_TASK = 2
DELTAS = (0.9, 1.0, 1.1, 1.2, 1.3)
STEPS = 8


def section(bench: Bench) -> list[Findings]:
    """A row for each delta: the means over pictures and layers; below, in how many layers entropy falls throughout."""
    records, layers = bench.records(__file__, steps=STEPS), bench.flow.layers
    every = [_of_picture(bench.flow, sample, layers, records) for sample in bench.problems(PER_TASK)]
    table = Findings(
        f"Attention entropy, {len(every)} pictures of {bench.split} edits, {layers} layers",
        ("delta", "among the source's tokens, nats", "among all tokens, nats"),
    )
    values, curves, falling = {}, {}, {}
    for kind, name in (("source", "the source's"), ("all", "all")):
        values[kind] = np.array([[r[kind] for r in own] for own in every]).reshape(-1, layers, len(DELTAS))
        average = values[kind].mean(axis=0)
        curves[kind], falling[kind] = average.tolist(), int(_falls(average).sum())
        counts = _falls(values[kind]).sum(axis=-1)
        table.remarks.append(
            f"Among {name} tokens it falls with every step of delta in {mean(counts).number()} layers."
        )
    for index, delta in enumerate(DELTAS):
        table.add(delta, *(mean(of_kind[..., index].mean(axis=1)).number(3) for of_kind in values.values()))
    about = {"model": bench.flow.name, "layers": range(layers), "delta": DELTAS, "falling": falling}
    table.figures.append(draw({**about, **curves}, bench.out / "entropy.png"))
    return [table]


def _falls(values: np.ndarray) -> np.ndarray:
    """Whether it does with every step along the last axis."""
    return np.all(np.diff(values) < 0, axis=-1)


def _of_picture(flow: ImageFlow, sample: Sample, layers: int, records: Records) -> list[Record]:
    """A record for each layer and each of :data:`DELTAS`, layer by layer."""
    of = {"id": sample.id, "task": sample.task}
    asked = [{**of, "layer": layer, "delta": delta} for layer, delta in product(range(layers), DELTAS)]
    found = [records.find(**each) for each in asked]
    if all(found):
        return [record for record in found if record]
    words = {"source_prompt": sample.source_prompt or "", "target_prompt": sample.target_prompt or ""}
    seed = noise_seed(0, sample.id)
    made = entropies(Branches.of(flow, sample.image(), **words, steps=STEPS, seed=seed), DELTAS)
    pairs = zip(np.ravel(made["source"]).tolist(), np.ravel(made["all"]).tolist(), strict=True)
    return [
        known or records.add(each, source=source, all=whole)
        for each, known, (source, whole) in zip(asked, found, pairs, strict=True)
    ]
