"""What a run cost: forward calls, NFE, seconds, peak memory."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch

from .backbone.flow import Flow

MB = 2**20


@dataclass
class Measured:
    """Filled in when the ``with`` block of :func:`measured` ends."""

    nfe: int = 0
    forward_calls: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0


@contextmanager
def measured(flow: Flow) -> Iterator[Measured]:
    """Measure what happens inside the block. Peak memory is the GPU's allocations, or on a CPU the process' resident
    set (since the block began where the system allows that to be asked, else since the process began)."""
    cost = Measured()
    calls, nfe = flow.cost.calls, flow.cost.nfe
    device = flow.device
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError), open("/proc/self/clear_refs", "w") as file:  # Linux: "5" resets the peak
            file.write("5")
    start = time.perf_counter()
    try:
        yield cost
    finally:
        if cuda:
            torch.cuda.synchronize(device)
        cost.seconds = time.perf_counter() - start
        cost.forward_calls, cost.nfe = flow.cost.calls - calls, flow.cost.nfe - nfe
        cost.peak_memory_mb = (torch.cuda.max_memory_allocated(device) if cuda else _peak_resident()) / MB


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
