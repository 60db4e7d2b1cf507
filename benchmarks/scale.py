"""What every method costs on FLUX.1-dev: counted on the meta device, and predicted for GPUs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.injection.recorder import recording_bytes
from flowedit_grag.methods import METHODS, method

from .base import Bench, Findings
from .counting import activation_bytes, forward_flops
from .overhead import recorded_calls
from .shape import condition, flux_flow, latents, networks

SIZES = ((512, 512), (1024, 1024), (1536, 1024))  # (width, height)
GPUS = {  # dense bfloat16 TFLOP/s, from the makers' data sheets
    "RTX 4090": 165.2, "L40S": 362.0, "A100": 312.0, "H100 SXM / H200": 989.4,
}  # fmt: skip
GB = 1e9
EFFICIENCY = 0.5  # part of a GPU's peak that a large transformer reaches without compilation: an assumption
BF16 = 2  # bytes
# Bytes a weight of a linear layer: bitsandbytes' NF4 keeps a float32 scale for every 64 weights.
LINEAR_BYTES = {"none": BF16, "bitsandbytes_8bit": 1, "bitsandbytes_4bit": 0.5 + 4 / 64}
QUANTIZED = ("transformer", "text_encoder_2")


@dataclass(frozen=True)
class Work:
    """What a method's defaults ask of the transformer for one edit: calls, NFE (of which some for diptychs, twice as
    wide as the image), and rows in the largest call."""

    calls: int
    nfe: int
    wide: int
    rows: int


@dataclass(frozen=True)
class Component:
    """A network's parameters in linear layers and elsewhere, and the largest single layer's."""

    linear: int
    other: int
    largest_layer: int

    @classmethod
    def of(cls, network: nn.Module) -> "Component":
        own = [(module, sum(p.numel() for p in module.parameters(False))) for module in network.modules()]
        linear = sum(count for module, count in own if isinstance(module, nn.Linear))
        total = sum(p.numel() for p in network.parameters())  # one that two layers share counts once
        return cls(linear, total - linear, max(count for _, count in own))


def forward(flow: ImageFlow, size: tuple[int, int]) -> tuple[int, int]:
    """Floating-point operations of one call of a meta-device ``flow`` with one row, and bytes of its activations."""
    v = flow.velocity(condition(flow, "meta"), 3.5)
    (call,) = recorded_calls(flow, lambda: v(latents(flow, size, "meta"), 1.0))
    return forward_flops(flow.transformer, call), activation_bytes(flow.transformer, call)


def canvas(name: str, size: tuple[int, int]) -> tuple[int, int]:
    """What method ``name`` works on for an image of ``size``: in a diptych it lies beside the result."""
    return (2 * size[0], size[1]) if METHODS[name].fills else size


def work(name: str) -> Work:
    """Count the calls of method ``name``: they depend on neither depth nor size, so a shallow FLUX will do."""
    flow = flux_flow("meta", layers=(1, 1), fills=METHODS[name].fills)
    calls = [call["hidden_states"].shape for call in recorded_calls(flow, lambda: run(flow, name, SIZES[0], "meta"))]
    tokens = flow.layout(latents(flow, SIZES[0], "meta"), condition(flow, "meta")).tokens
    rows = [rows for rows, *_ in calls]
    return Work(len(calls), sum(rows), sum(rows for rows, length, _ in calls if length > tokens), max(rows))


def run(flow: ImageFlow, name: str, size: tuple[int, int], device: str, **options) -> torch.Tensor:
    """One edit of random latents of an image of ``size`` with random prompts."""
    prompt, x = condition(flow, device), latents(flow, canvas(name, size), device)
    noise = torch.Generator().manual_seed(0)
    return method(name, **options)(flow, x, source=prompt, target=prompt, noise=noise)


def peak_bytes(
    parts: Mapping[str, Component], quantization: str, offload: str, activations: float, decoding: float
) -> float:
    """Predicted peak on the GPU of an edit: the worst of encoding prompts, velocities and decoding.

    ``offload`` ``"none"`` keeps all networks there, ``"model"`` the one that runs, ``"group"`` and ``"sequential"`` a
    layer (and the next one, streamed ahead).
    """
    linear = {name: LINEAR_BYTES[quantization if name in QUANTIZED else "none"] for name in parts}
    weights = {name: linear[name] * part.linear + BF16 * part.other for name, part in parts.items()}
    running = {"transformer": activations, "vae": decoding}
    if offload == "none":
        return sum(weights.values()) + max(running.values())
    if offload != "model":
        weights = {name: 2 * BF16 * part.largest_layer for name, part in parts.items()}
    return max(weights[name] + running.get(name, 0) for name in parts)


def section(bench: Bench) -> list[Findings]:
    """All predicted tables. They are of FLUX.1-dev, whatever model the bench has."""
    flow = flux_flow("meta")
    singles = [forward(flow, size) for size in SIZES]
    works = {name: work(name) for name in METHODS}
    table = Findings("One forward call", ("one forward call, one row", "TFLOP", "activations, GB"))
    for size, (flops, activations) in zip(SIZES, singles, strict=True):
        table.add(size_name(size), f"{flops / 1e12:.1f}", f"{activations / GB:.2f}")
    return [table, _methods(flow, singles, works), _memory(flow, singles, works), _recorder(flow)]


def _methods(flow: ImageFlow, singles: Sequence[tuple[int, int]], works: Mapping[str, Work]) -> Findings:
    diptychs = [forward(flow, (2 * width, height)) for width, height in SIZES]
    heads = [*(f"TFLOP at {size_name(size)}" for size in SIZES), *(f"{gpu}, s" for gpu in GPUS)]
    table = Findings("Methods", ("method", "calls", "NFE", *heads))
    for name, w in works.items():
        tera = [((w.nfe - w.wide) * single + w.wide * diptych) / 1e12
                for (single, _), (diptych, _) in zip(singles, diptychs, strict=True)]  # fmt: skip
        seconds = (tera[1] / (speed * EFFICIENCY) for speed in GPUS.values())
        table.add(name, w.calls, w.nfe, *(f"{n:,.0f}" for n in tera), *(f"{s:.0f}" for s in seconds))
    return table


def _memory(flow: ImageFlow, singles: Sequence[tuple[int, int]], works: Mapping[str, Work]) -> Findings:
    modules = networks(flow)
    parts = {name: Component.of(module) for name, module in modules.items()}
    rows = max(w.rows for w in works.values())
    table = Findings("Memory: peak, GB", ("quantisation", "offload", *map(size_name, SIZES)))
    decoding = [activation_bytes(modules["vae"].decode, {"z": latents(flow, size, "meta").bfloat16()})
                for size in SIZES]  # fmt: skip
    for quantization in LINEAR_BYTES:
        for offload in ("none", "model", "group"):
            peaks = (peak_bytes(parts, quantization, offload, rows * activations, decode)
                     for (_, activations), decode in zip(singles, decoding, strict=True))  # fmt: skip
            table.add(quantization, offload, *(f"{peak / GB:.1f}" for peak in peaks))
    return table


def _recorder(flow: ImageFlow) -> Findings:
    layers, steps = len(flow.profile.value_layers or ()), 2 * 2  # rf-solver-edit's: midpoint calls twice a step
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
