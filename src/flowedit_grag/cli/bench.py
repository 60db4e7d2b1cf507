"""``python -m flowedit_grag.lab.bench``: measure everything that README's table claims, on this machine."""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..backbone.load import load
from ..editor import Editor
from ..evaluation.convergence import FIELDS, order
from ..evaluation.overhead import overhead, seconds
from ..evaluation.psnr import psnr
from ..evaluation.replay import REPLAYS, replay
from ..guidance.grag import GRAG
from ..inversion import solver
from ..lab.judge import judge
from ..lab.oracle import read
from ..lab.render import render
from ..lab.scene import sample_scene
from ..lab.tasks import sample_edit

HELD_OUT = 3_000_017  # seeds of scenes that no training stage draws
EDITS = (  # method, its strengths
    ("flowedit", None),
    ("stableflow", None),
    ("stableflow+", None),
    ("rf-solver-edit", None),
    ("sdedit", None),
)
TASKS = ("color", "background")
CLEAN_RENDERS, SWEEP_REPEATS = 400, 1
STRENGTHS = (0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.2, 1.3)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    asked: str
    measured: str

    def __str__(self) -> str:
        return f"| {self.what} | {self.asked} | {self.measured} |"


def rows(golden: Path | None, scenes: int) -> Iterator[Row]:
    """All measurements; replays only where the recordings are at hand."""
    if golden is not None:
        yield from replays(golden)
    yield from orders()
    yield from oracle(CLEAN_RENDERS)
    editor = Editor(method="stableflow+", grag=1.1)
    yield from costs(editor)
    yield from edits(editor, scenes)


def replays(golden: Path) -> Iterator[Row]:
    flow = load(golden / "tiny_flux", device="cpu", dtype="float32")
    for name in REPLAYS:
        yield Row(f"replay of `{name}`", "≤ 1e-5", f"{replay(name, flow, golden):.1e}")


def orders() -> Iterator[Row]:
    for name in ("euler", "midpoint", "fireflow", "uni_inv"):
        found = [order(solver(name), field) for field in FIELDS.values()]
        yield Row(
            f"order of convergence, {name}", f"{solver(name).order} ± 0.15", " / ".join(f"{x:.2f}" for x in found)
        )


def oracle(count: int) -> Iterator[Row]:
    right = 0
    for index in range(count):
        scene = sample_scene(np.random.default_rng((HELD_OUT, 1, index)))
        right += read(render(scene)).shows(scene)
    yield Row(f"oracle on clean renders, all attributes, n = {count}", "≥ 99.5 %", f"{right / count:.1%}")


def costs(editor: Editor) -> Iterator[Row]:
    """Overhead over the bare transformer calls, and a sweep against single edits."""
    flow, problem = editor.flow, sample_edit(np.random.default_rng((HELD_OUT, 2)), "color")
    image = problem.images()[0]
    prompts: dict[str, Any] = {"source_prompt": problem.source_prompt, "target_prompt": problem.target_prompt}
    latents, source = flow.encode(image), flow.condition(problem.source_prompt)
    target = flow.condition(problem.target_prompt)
    for name, limit, strength in (("flowedit", "5 %", None), ("stableflow+", "10 %", GRAG(delta=1.1))):
        method = Editor(method=name, model=flow, grag=strength).method

        def run(method=method):
            return method(flow, latents, source=source, target=[target], noise=torch.Generator().manual_seed(0))

        title = name if strength is None else f"{name} with GRAG"
        yield Row(f"cost over the bare transformer calls, {title}", f"≤ {limit}", f"{overhead(flow, run):.1%}")

    def sweep():
        editor.sweep(image, **prompts, delta=STRENGTHS)

    def singles():
        for delta in STRENGTHS:
            Editor(method="stableflow+", model=flow, grag=delta).edit(image, **prompts)

    ratio = statistics.median(seconds(sweep) / seconds(singles) for _ in range(SWEEP_REPEATS))
    yield Row(f"{len(STRENGTHS)} strengths in one sweep against single edits, time", "≤ 0.45", f"{ratio:.2f}")


def edits(editor: Editor, scenes: int) -> Iterator[Row]:
    """Success, kept and PSNR outside the mask on held-out lab edits."""
    for task in TASKS:
        problems = [sample_edit(np.random.default_rng((HELD_OUT, 3, index)), task) for index in range(scenes)]
        for name, strength in EDITS:
            method = Editor(method=name, model=editor.flow, grag=strength)
            results = [_edited(method, problem, index) for index, problem in enumerate(problems)]
            success, kept, outside = (np.mean(column) for column in zip(*results, strict=True))
            measured = f"{success:.0%} / {kept:.0%} / {outside:.1f} dB"
            yield Row(f"lab `{task}`, {name}: success / kept / PSNR outside the mask, n = {scenes}", "part 2", measured)


def _edited(editor: Editor, problem, seed: int) -> tuple[bool, bool, float]:
    source, _, mask = problem.images()
    result = editor.edit(
        source, source_prompt=problem.source_prompt, target_prompt=problem.target_prompt, seed=seed
    )  # fmt: skip
    verdict = judge(problem, np.asarray(result.image))
    return verdict.success, verdict.kept, psnr(np.asarray(result.image), source, ~mask)


def main() -> None:
    """Print the table row by row, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m flowedit_grag.lab.bench", description=__doc__)
    parser.add_argument("--golden", type=Path, default=Path("tests/golden"), help="recorded runs; skipped where absent")
    parser.add_argument("--scenes", type=int, default=20, help="held-out scenes for each task and method")
    given = parser.parse_args()
    print("| what | asked | measured |\n|---|---|---|", flush=True)
    for row in rows(given.golden if given.golden.is_dir() else None, given.scenes):
        print(row, flush=True)
