"""Time of what makes transformer calls, over the time of these calls alone."""

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.benchmark import timer

from flowedit_grag.backbone.image_flow import ImageFlow


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

    return ratio(run, bare, repeats) - 1


def ratio(run: Callable[[], Any], rest: Callable[[], Any], repeats: int) -> float:
    """Time of ``run`` over that of ``rest``, measured in turns: the median of ``repeats``."""
    return statistics.median(seconds(run) / seconds(rest) for _ in range(repeats))


def seconds(run: Callable[[], Any]) -> float:
    """Wall-clock time of one call, to the end of what it leaves a GPU to do."""
    start = timer()
    run()
    return timer() - start
