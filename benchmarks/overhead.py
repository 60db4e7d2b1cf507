"""What a method costs beyond the transformer calls that it makes."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from flowedit_grag.backbone.flow import Flow


def recorded_calls(flow: Flow, run: Callable[[], Any]) -> list[dict[str, Any]]:
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
def overhead(flow: Flow, run: Callable[[], Any], repeats: int = 5) -> float:
    """Time of ``run`` over the time of its bare transformer calls, minus 1: the median of alternating repeats."""
    calls = recorded_calls(flow, run)

    def bare() -> None:
        for call in calls:
            flow.transformer(**call)

    return statistics.median(seconds(run) / seconds(bare) for _ in range(repeats)) - 1


def seconds(run: Callable[[], Any]) -> float:
    """Wall-clock time of one call."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
