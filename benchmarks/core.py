"""Correctness and cost: replays of recorded runs, orders of convergence, the oracle, overhead.

``core.jsonl``: ``what``, ``asked`` and ``measured`` as the table has them.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from flowedit_grag.backbone.load import load
from flowedit_grag.inversion import Solver
from flowedit_grag.lab.oracle import read
from flowedit_grag.lab.render import render
from flowedit_grag.lab.scene import Scene

from .base import Bench, Findings
from .convergence import FIELDS, order
from .overhead import costs
from .replay import REPLAYS, replay
from .replay_incontext import FILL_REPLAYS

ORDERS = ("euler", "midpoint", "fireflow", "uni_inv")
CLEAN_RENDERS = 400
Row = tuple[str, str, str]


def section(bench: Bench) -> list[Findings]:
    """A row for each check."""
    replays = () if bench.golden is None else _replays(bench.golden)
    rows = chain(replays, map(_order, ORDERS), _oracle(bench), costs(bench.flow))
    return bench.findings("Correctness and cost", __file__, rows)


def _replays(golden: Path) -> Iterator[Row]:
    flow, fill = (load(golden / name, device="cpu", dtype="float32") for name in ("tiny_flux", "tiny_flux_fill"))
    for name in (*REPLAYS, *FILL_REPLAYS):
        error = replay(name, flow, golden) if name in REPLAYS else FILL_REPLAYS[name](fill, golden)
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
