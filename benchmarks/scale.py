"""What every method costs on FLUX.1-dev: counted on the meta device, and predicted for GPUs."""

from dataclasses import dataclass

import torch

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.methods import METHODS, method

from .counting import activation_bytes, forward_flops
from .overhead import recorded_calls
from .shape import condition, flux_flow, latents

SIZES = ((512, 512), (1024, 1024), (1536, 1024))  # (width, height)
GPUS = {  # dense bfloat16 TFLOP/s, from the makers' data sheets
    "RTX 4090": 165.2, "L40S": 362.0, "A100": 312.0, "H100 SXM / H200": 989.4,
}  # fmt: skip
EFFICIENCY = 0.5  # part of a GPU's peak that a large transformer reaches without compilation: an assumption


@dataclass(frozen=True)
class Forward:
    """One transformer call with one batch row at ``size = (width, height)``."""

    size: tuple[int, int]
    flops: int
    activations: int  # bytes


@dataclass(frozen=True)
class Work:
    """What a method's defaults ask of the transformer for one edit: calls, NFE (of which some for diptychs, twice as
    wide as the image), and rows in the largest call."""

    method: str
    calls: int
    nfe: int
    wide: int
    rows: int

    def flops(self, single: Forward, diptych: Forward) -> int:
        """Of one edit."""
        return (self.nfe - self.wide) * single.flops + self.wide * diptych.flops


def forward(flow: Flow, size: tuple[int, int]) -> Forward:
    """Count one call of a meta-device ``flow``."""
    v = flow.velocity(condition(flow, "meta"), 3.5)
    (call,) = recorded_calls(flow, lambda: v(latents(flow, size, "meta"), 1.0))
    return Forward(size, forward_flops(flow.transformer, call), activation_bytes(flow.transformer, call))


def canvas(name: str, size: tuple[int, int]) -> tuple[int, int]:
    """What method ``name`` works on for an image of ``size``: in a diptych it lies beside the result."""
    return (2 * size[0], size[1]) if METHODS[name].fills else size


def work(name: str, size: tuple[int, int] = SIZES[0]) -> Work:
    """Count the calls of method ``name``: they depend on neither depth nor size, so a shallow FLUX will do."""
    flow = flux_flow("meta", layers=(1, 1), fills=METHODS[name].fills)
    calls = [call["hidden_states"].shape for call in recorded_calls(flow, lambda: run(flow, name, size, "meta"))]
    tokens = flow.layout(latents(flow, size, "meta"), condition(flow, "meta")).tokens
    wide = sum(rows for rows, length, _ in calls if length > tokens)
    return Work(name, len(calls), sum(rows for rows, *_ in calls), wide, max(rows for rows, *_ in calls))


def run(flow: Flow, name: str, size: tuple[int, int], device: str, **options) -> torch.Tensor:
    """One edit of random latents of an image of ``size`` with random prompts."""
    prompt, x = condition(flow, device), latents(flow, canvas(name, size), device)
    noise = torch.Generator().manual_seed(0)
    return method(name, **options)(flow, x, source=prompt, target=prompt, noise=noise)


def works() -> list[Work]:
    """:func:`work` of every method that comes with the package."""
    return [work(name) for name in METHODS]


def seconds(flops: float, teraflops: float) -> float:
    """Predicted seconds at :data:`EFFICIENCY`."""
    return flops / (teraflops * 1e12 * EFFICIENCY)
