"""What every method costs on FLUX.1-dev: counted on the meta device, and predicted for GPUs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.injection.recorder import recording_bytes
from flowedit_grag.methods import METHODS, method

from . import footprint
from .base import Bench, Findings
from .counting import activation_bytes, forward_flops
from .overhead import recorded_calls
from .shape import condition, flux_flow, latents

SIZES = ((512, 512), (1024, 1024), (1536, 1024))  # (width, height)
GPUS = {  # dense bfloat16 TFLOP/s, from the makers' data sheets
    "RTX 4090": 165.2, "L40S": 362.0, "A100": 312.0, "H100 SXM / H200": 989.4,
}  # fmt: skip
GB = 1e9
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


def forward(flow: ImageFlow, size: tuple[int, int]) -> Forward:
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


def run(flow: ImageFlow, name: str, size: tuple[int, int], device: str, **options) -> torch.Tensor:
    """One edit of random latents of an image of ``size`` with random prompts."""
    prompt, x = condition(flow, device), latents(flow, canvas(name, size), device)
    noise = torch.Generator().manual_seed(0)
    return method(name, **options)(flow, x, source=prompt, target=prompt, noise=noise)


def section(bench: Bench | None = None) -> list[Findings]:
    """All predicted tables. They are of FLUX.1-dev, whatever model the bench has."""
    flow = flux_flow("meta")
    singles = [forward(flow, size) for size in SIZES]
    diptychs = [forward(flow, (2 * width, height)) for width, height in SIZES]
    works = [work(name) for name in METHODS]
    return [_forwards(singles), _methods(singles, diptychs, works), _memory(singles, works), _recorder(flow)]


def _forwards(forwards: Sequence[Forward]) -> Findings:
    table = Findings("One forward call", ("one forward call, one row", "TFLOP", "activations, GB"))
    for f in forwards:
        table.add(size_name(f.size), f"{f.flops / 1e12:.1f}", f"{f.activations / GB:.2f}")
    return table


def _methods(singles: Sequence[Forward], diptychs: Sequence[Forward], works: Sequence[Work]) -> Findings:
    heads = [*(f"TFLOP at {size_name(f.size)}" for f in singles), *(f"{gpu}, s" for gpu in GPUS)]
    table = Findings("Methods", ("method", "calls", "NFE", *heads))
    for w in works:
        flops = [w.flops(single, diptych) for single, diptych in zip(singles, diptychs, strict=True)]
        seconds = (flops[1] / (teraflops * 1e12 * EFFICIENCY) for teraflops in GPUS.values())
        table.add(w.method, w.calls, w.nfe, *(f"{n / 1e12:,.0f}" for n in flops), *(f"{s:.0f}" for s in seconds))
    return table


def _memory(forwards: Sequence[Forward], works: Sequence[Work]) -> Findings:
    modules = footprint.components()
    parts = {part: footprint.Component.of(module) for part, module in modules.items()}
    rows = max(w.rows for w in works)
    table = Findings("Memory: peak, GB", ("quantisation", "offload", *(size_name(f.size) for f in forwards)))
    for quantization in footprint.LINEAR_BYTES:
        for offload in ("none", "model", "group"):
            peaks = []
            for f in forwards:
                z = torch.empty(1, 16, f.size[1] // 8, f.size[0] // 8, device="meta")
                decoding = footprint.decoding_bytes(modules["vae"], z)
                peaks.append(footprint.peak_bytes(parts, quantization, offload, rows * f.activations, decoding))
            table.add(quantization, offload, *(f"{peak / GB:.1f}" for peak in peaks))
    return table


def _recorder(flow: ImageFlow) -> Findings:
    layers, steps = (
        len(flow.profile.value_layers or ()),
        2 * 2,
    )  # rf-solver-edit's defaults: midpoint calls twice a step
    table = Findings("Memory of recorded values", ("size", "rf-solver-edit, GB", "icedit-t2i, GB"))
    for size in SIZES:
        layout = flow.layout(latents(flow, size, "meta"), condition(flow, "meta"))
        own = recording_bytes(flow.transformer, layout.text + layout.tokens, layers, steps)
        t2i = recording_bytes(flow.transformer, layout.tokens, 57, 28)
        table.add(size_name(size), f"{own / GB:.2f}", f"{t2i / GB:.1f}")
    return table


def size_name(size: tuple[int, int]) -> str:
    """``1024×1024``."""
    return f"{size[0]}×{size[1]}"
