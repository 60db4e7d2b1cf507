"""Correctness and cost: replays of recorded runs, orders of convergence, the oracle; what a method costs beyond the
transformer calls that it makes, and what a sweep saves.

``core.jsonl``: ``what``, ``asked`` and ``measured`` as the table has them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.backbone.load import load
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.inversion import Solver
from flowedit_grag.lab.oracle import read
from flowedit_grag.lab.render import render
from flowedit_grag.lab.scene import Scene
from flowedit_grag.lab.splits import problems
from flowedit_grag.methods.resolve import resolve_method

from .base import Bench, Findings
from .convergence import FIELDS, order
from .overhead import overhead, ratio
from .replay import FILL_REPLAYS, REPLAYS, replay

ORDERS = ("euler", "midpoint", "fireflow", "uni_inv")
CLEAN_RENDERS = 400
STRENGTHS = tuple(GRAG(delta=delta) for delta in (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5))
REPEATS = 3
Row = tuple[str, str, str]


def section(bench: Bench) -> list[Findings]:
    """A row for each check. All are recorded again: times mean something only within a run."""
    replays = () if bench.golden is None else _replays(bench.golden)
    records, table = bench.records(__file__), Findings("Correctness and cost", ("what", "asked", "measured"))
    for what, asked, measured in chain(replays, map(_order, ORDERS), _oracle(bench), _costs(bench.flow)):
        records.add({"what": what}, asked=asked, measured=measured)
        table.add(what, asked, measured)
    return [table]


def _replays(golden: Path) -> Iterator[Row]:
    flow, fill = (load(golden / name, device="cpu", dtype="float32") for name in ("tiny_flux", "tiny_flux_fill"))
    for name in REPLAYS:
        error = replay(name, fill if name in FILL_REPLAYS else flow, golden)
        yield f"replay of `{name}`", "≤ 1e-5", f"{error:.1e}"


def _order(name: str) -> Row:
    slopes = [order(Solver.of(name), field) for field in FIELDS.values()]
    return f"order of convergence, {name}", f"{Solver.of(name).order} ± 0.15", " / ".join(f"{s:.2f}" for s in slopes)


def _oracle(bench: Bench) -> Iterator[Row]:
    whole, flow = bench.scenes(CLEAN_RENDERS), bench.flow
    half = bench.scenes(CLEAN_RENDERS // 2)
    back = (np.asarray(flow.decode(flow.encode(render(scene)))) for scene in half)
    yield f"oracle on clean renders, all attributes, n = {len(whole)}", "≥ 99.5 %", _read(map(render, whole), whole)
    title = f"oracle on the autoencoder's round trip, all attributes, n = {len(half)}"
    yield title, "≥ 98 %", _read(back, half)


def _read(images: Iterable[np.ndarray], scenes: list[Scene]) -> str:
    """The share of images whose scene the oracle reads without a mistake."""
    return f"{np.mean([read(image).shows(scene) for image, scene in zip(images, scenes, strict=True)]):.1%}"


def _costs(flow: ImageFlow) -> Iterator[Row]:
    """Methods over their bare transformer calls, and a sweep over single edits."""
    (problem,) = problems("validation", 1, ("color",))
    latents = flow.encode(problem.images()[0])
    source, target = flow.condition(problem.source_prompt), flow.condition(problem.target_prompt)

    def run(name: str, strengths: Sequence[GRAG | None]) -> None:
        noise, method = torch.Generator().manual_seed(0), resolve_method(name, flow, None, {})
        method(flow, latents, source=source, target=[target] * len(strengths), noise=noise, grag=list(strengths))

    extra = overhead(flow, partial(run, "flowedit", [None]))
    yield "cost over the bare transformer calls, flowedit", "≤ 5 %", f"{extra:.1%}"
    extra = overhead(flow, partial(run, "stableflow+", [GRAG(delta=1.1)]))
    yield "cost over the bare transformer calls, stableflow+ with GRAG", "≤ 10 %", f"{extra:.1%}"
    singles = [partial(run, "stableflow+", [strength]) for strength in STRENGTHS]
    time = ratio(partial(run, "stableflow+", STRENGTHS), lambda: [single() for single in singles], REPEATS)
    yield f"{len(STRENGTHS)} strengths in one sweep against single edits, time", "≤ 0.45", f"{time:.2f}"
