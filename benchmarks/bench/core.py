"""Correctness and cost: replays, orders of convergence, the oracle, overhead."""

import statistics

import numpy as np
import torch

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.backbone.load import load
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.inversion import Solver
from flowedit_grag.lab.oracle import read
from flowedit_grag.lab.render import render
from flowedit_grag.lab.splits import problems, scenes
from flowedit_grag.methods.resolve import resolve_method

from ..convergence import FIELDS, order
from ..overhead import overhead, seconds
from ..replay import REPLAYS, replay
from ..replay_incontext import FILL_REPLAYS
from .base import Bench, Table

ORDERS = ("euler", "midpoint", "fireflow", "uni_inv")
CLEAN_RENDERS = 400
STRENGTHS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
REPEATS = 3


def section(bench: Bench) -> Table:
    """One row a claim. Nothing is recorded: times only mean something within one run."""
    table = Table("Correctness and cost", ("what", "asked", "measured"))
    table.rows += [] if bench.golden is None else _replays(bench)
    for name in ORDERS:
        slopes = [order(Solver.of(name), field) for field in FIELDS.values()]
        measured = " / ".join(f"{slope:.2f}" for slope in slopes)
        table.add(f"order of convergence, {name}", f"{Solver.of(name).order} ± 0.15", measured)
    table.rows += [_oracle(bench), *_roundtrip(bench), *_costs(bench.flow)]
    return table


def _replays(bench: Bench):
    flow, fill = (load(bench.golden / name, device="cpu", dtype="float32") for name in ("tiny_flux", "tiny_flux_fill"))
    errors = {name: replay(name, flow, bench.golden) for name in REPLAYS}
    errors |= {name: of(fill, bench.golden) for name, of in FILL_REPLAYS.items()}
    return [(f"replay of `{name}`", "≤ 1e-5", f"{error:.1e}") for name, error in errors.items()]


def _oracle(bench: Bench):
    sample = scenes(bench.split, bench.count(CLEAN_RENDERS))
    right = np.mean([read(render(scene)).shows(scene) for scene in sample])
    return f"oracle on clean renders, all attributes, n = {len(sample)}", "≥ 99.5 %", f"{right:.1%}"


def _roundtrip(bench: Bench):
    sample, flow = scenes(bench.split, bench.count(CLEAN_RENDERS // 2)), bench.flow
    back = [np.asarray(flow.decode(flow.encode(render(scene)))) for scene in sample]
    right = np.mean([read(image).shows(scene) for image, scene in zip(back, sample, strict=True)])
    yield f"oracle on the autoencoder's round trip, all attributes, n = {len(sample)}", "≥ 98 %", f"{right:.1%}"


def _costs(flow: Flow):
    """Overhead over the bare transformer calls, and a sweep against single edits."""
    (problem,) = problems("validation", 1, ("color",))
    latents = flow.encode(problem.images()[0])
    source, target = flow.condition(problem.source_prompt), flow.condition(problem.target_prompt)

    def run(name: str, strengths: list[GRAG | None]):
        noise = torch.Generator().manual_seed(0)
        method = resolve_method(name, flow, None, {})
        method(flow, latents, source=source, target=[target] * len(strengths), noise=noise, grag=strengths)

    for name, limit, strength in (("flowedit", "5 %", None), ("stableflow+", "10 %", GRAG(delta=1.1))):
        extra = overhead(flow, lambda name=name, strength=strength: run(name, [strength]))
        title = name if strength is None else f"{name} with GRAG"
        yield f"cost over the bare transformer calls, {title}", f"≤ {limit}", f"{extra:.1%}"

    controls = [GRAG(delta=delta) for delta in STRENGTHS]

    def sweep() -> None:
        run("stableflow+", controls)

    def singles() -> None:
        for control in controls:
            run("stableflow+", [control])

    ratio = statistics.median(seconds(sweep) / seconds(singles) for _ in range(REPEATS))
    yield f"{len(controls)} strengths in one sweep against single edits, time", "≤ 0.45", f"{ratio:.2f}"
