"""One job on a model that others may be using too: kept apart from theirs, and what it cost."""

import copy
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from .backbone.attention_hook import hooked
from .backbone.flow import Cost, Flow
from .backbone.image_flow import check_finite
from .errors import InputError
from .progress import OnProgress, Progress

MB = 2**20
ASKED_FOR = "raised by on_progress"  # an attribute of the exception
EditedFlow = TypeVar("EditedFlow", bound=Flow)
Given = ParamSpec("Given")
Made = TypeVar("Made")


@dataclass
class Measured:
    """Filled in when the ``with`` block of :func:`job` ends.

    Attributes:
        skipped: the part of ``nfe`` that a step cache did not compute, by the share of attention layers not run.
    """

    nfe: int = 0
    forward_calls: int = 0
    skipped: float = 0.0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0


@contextmanager
def job(model: EditedFlow) -> Iterator[tuple[EditedFlow, Measured]]:
    """``model`` for one job, which counts its own evaluations, and what these cost.

    Where a step cache is on (``enable_cache``), the job begins with an empty one, and has the model to itself. Peak
    memory is the GPU's allocations, or on a CPU the process' resident set (since the block began where the system
    allows that to be asked, else since the process began). Raises :class:`InputError` under autocast, which would
    change the result without a trace.
    """
    if torch.is_autocast_enabled(model.device.type):
        raise InputError(
            "autocast is on and would change the picture; edit outside it, and load with dtype='bfloat16'."
        )
    flow, cost, device = copy.copy(model), Measured(), model.device
    flow.cost = Cost()
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError), open("/proc/self/clear_refs", "w") as file:  # Linux: "5" resets the peak
            file.write("5")
    ran, start = [0], time.perf_counter()  # rows that the layers ran, where a step cache skips some
    try:
        with _fresh_cache(flow, ran) if _has_cache(flow) else nullcontext():
            yield flow, cost
    finally:
        if cuda:
            torch.cuda.synchronize(device)
        cost.seconds = time.perf_counter() - start
        cost.forward_calls, cost.nfe = flow.cost.calls, flow.cost.nfe
        cost.skipped = flow.cost.nfe - ran[0] / flow.layers if _has_cache(flow) else 0.0
        cost.peak_memory_mb = (torch.cuda.max_memory_allocated(device) if cuda else _peak_resident()) / MB


def _has_cache(flow: Flow) -> bool:
    return getattr(flow.transformer, "is_cache_enabled", False)


@contextmanager
def _fresh_cache(flow: Flow, ran: list[int]) -> Iterator[None]:
    """The model for this job alone, its step cache empty before and after; adds to ``ran`` the rows its layers run."""

    def count(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ran[0] += len(q)
        return q, k, v

    layers = flow.attention()
    counted = dict.fromkeys(range(len(layers)), count)
    with flow.lock:
        if any(type(layer.processor) in flow.processors.values() for layer in layers.values()):
            raise InputError("an edit with a step cache has the model to itself; begin the next one when it has ended.")
        with hooked(layers, counted, flow.processors):
            flow.transformer._reset_stateful_cache()
            try:
                yield
            finally:
                flow.transformer._reset_stateful_cache()


def _peak_resident() -> int:
    with suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return 0  # not known there
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, kilobytes elsewhere


def watched(on_progress: OnProgress | None) -> OnProgress:
    """``on_progress`` after a look at the latents, of which it gets a copy. Raises :class:`InputError` at the first
    step where they are not finite: what follows would be a black picture."""

    def look(made: Progress) -> None:
        if isinstance(made.latents, Tensor):
            check_finite(made.latents, f"after step {made.step} of {made.steps} ({made.stage}) the latents are")
        if on_progress is None:
            return
        try:
            on_progress(replace(made, latents=_copied(made.latents), clean=_copied(made.clean)))
        except BaseException as error:
            vars(error)[ASKED_FOR] = True
            raise

    return look


def _copied(latents: Any) -> Any:
    return latents.clone() if isinstance(latents, Tensor) else latents


def released(work: Callable[Given, Made]) -> Callable[Given, Made]:
    """``work`` whose frames let go of what they hold (latents, the model) where it is refused, interrupted, or ended by
    ``on_progress``: an exception may be kept for long, by a Future or a notebook. Others keep theirs, for a debugger.
    """

    @wraps(work)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        before = sys.exception()  # and what led to it: the caller's own
        try:
            return work(*args, **kwargs)
        except BaseException as error:
            if isinstance(error, InputError) or not isinstance(error, Exception) or ASKED_FOR in vars(error):
                for one in _chain(error, without=_chain(before)):
                    traceback.clear_frames(one.__traceback__)
                del args, kwargs  # this frame's own
            raise

    return run


def _chain(error: BaseException | None, without: Iterable[BaseException] = ()) -> list[BaseException]:
    """``error`` with all that led to it, each once."""
    found, seen, todo = [], {id(one) for one in without}, [error]
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            found.append(one)
            todo += [one.__cause__, one.__context__]
    return found
