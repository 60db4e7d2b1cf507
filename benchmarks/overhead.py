"""What a method costs beyond the transformer calls that it makes, and what a sweep saves.

``overhead.jsonl``: ``what``, ``asked`` and ``measured`` as the table has them.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch

from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.lab.splits import problems
from flowedit_grag.methods.resolve import resolve_method

from .base import Bench, Findings

STRENGTHS = tuple(GRAG(delta=delta) for delta in (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5))
REPEATS = 3


def section(bench: Bench) -> list[Findings]:
    """A row for each of :func:`costs`."""
    return bench.findings("Cost", __file__, costs(bench.flow))


def costs(flow: ImageFlow) -> Iterator[tuple[str, str, str]]:
    """Methods over their bare transformer calls, and a sweep over single edits: what, asked and measured."""
    (problem,) = problems("validation", 1, ("color",))
    latents = flow.encode(problem.images()[0])
    source, target = flow.condition(problem.source_prompt), flow.condition(problem.target_prompt)

    def run(name: str, strengths: Sequence[GRAG | None]) -> None:
        noise, method = torch.Generator().manual_seed(0), resolve_method(name, flow, None, {})
        method(flow, latents, source=source, target=[target] * len(strengths), noise=noise, grag=list(strengths))

    def singles() -> None:
        for strength in STRENGTHS:
            run("stableflow+", [strength])

    extra = overhead(flow, partial(run, "flowedit", [None]))
    yield "cost over the bare transformer calls, flowedit", "≤ 5 %", f"{extra:.1%}"
    extra = overhead(flow, partial(run, "stableflow+", [GRAG(delta=1.1)]))
    yield "cost over the bare transformer calls, stableflow+ with GRAG", "≤ 10 %", f"{extra:.1%}"
    ratio = ratios([partial(run, "stableflow+", STRENGTHS)], singles, REPEATS)[0]
    yield f"{len(STRENGTHS)} strengths in one sweep against single edits, time", "≤ 0.45", f"{ratio:.2f}"


def recorded_calls(flow: ImageFlow, run: Callable[[], Any]) -> list[dict[str, Any]]:
    """The keyword arguments of every transformer call that ``run`` makes."""
    calls: list[dict[str, Any]] = []

    def keep(module, args, kwargs):
        calls.append(kwargs)

    hook = flow.transformer.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        run()
    finally:
        hook.remove()
    return calls


@torch.no_grad()
def overhead(flow: ImageFlow, run: Callable[[], Any], repeats: int = 5) -> float:
    """Time of ``run`` over the time of its bare transformer calls, minus 1."""
    calls = recorded_calls(flow, run)

    def bare() -> None:
        for call in calls:
            flow.transformer(**call)

    return ratios([run], bare, repeats)[0] - 1


def ratios(runs: Sequence[Callable[[], Any]], rest: Callable[[], Any], repeats: int) -> list[float]:
    """Time of each of ``runs`` over that of ``rest``, measured in turns: the median of ``repeats``."""
    found = [[seconds(run) / seconds(rest) for run in runs] for _ in range(repeats)]
    return [statistics.median(own) for own in zip(*found, strict=True)]


def seconds(run: Callable[[], Any]) -> float:
    """Wall-clock time of one call."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
