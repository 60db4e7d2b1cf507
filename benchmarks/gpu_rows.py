"""What ``flux_scale.py measure`` measures: each function yields rows, one as soon as it is known."""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.utils import counters

from flowedit_grag.backbone.device_placement import put
from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.backbone.quantization import store_in_fp8
from flowedit_grag.job import job
from flowedit_grag.methods import METHODS, Method, method
from flowedit_grag.options import option_names

from . import scale
from .overhead import recorded_calls, seconds
from .scale import size_name
from .shape import condition, latents, networks

Row = dict[str, Any]
Size = tuple[int, int]
GB, MS = 1e9, 1e3
STEPS = 4  # of an edit whose time a call is wanted, not its picture
STRENGTHS = 8


@dataclass(frozen=True)
class Plan:
    """What is measured. ``build`` makes the model anew: compiling, casting and offloading cannot be undone."""

    build: Callable[..., ImageFlow]
    device: str
    sizes: Sequence[Size]
    repeats: int = 3


def calls(plan: Plan) -> Iterator[Row]:
    """One bare forward call of one, two and three rows."""
    flow, counted = plan.build(), plan.build("meta")
    for size in plan.sizes:
        flops, _ = scale.forward(counted, size)
        for rows in (1, 2, 3):
            taken = _call_seconds(flow, size, rows, plan)
            rate = rows * flops / taken / 1e12
            yield {"size": size_name(size), "rows": rows, "ms": round(taken * MS, 2), "TFLOP/s": round(rate, 1),
                   "peak, GB": _peak()}  # fmt: skip


def methods(plan: Plan, *, fills: bool = False) -> Iterator[Row]:
    """Every method in few steps: over its bare calls, and what its own number of steps would take at that rate."""
    flow = plan.build(fills=fills)
    whole = {name: scale.work(name).nfe for name in METHODS if METHODS[name].fills == fills}
    for size in plan.sizes:
        for name, nfe in whole.items():
            run = partial(scale.run, flow, name, size, plan.device, **few_steps(METHODS[name]))
            found = _against_calls(flow, run, plan.repeats)
            whole_edit = round(found["ms a row"] * nfe / MS, 2)
            yield {"size": size_name(size), "method": name, **found, "NFE of an edit": nfe, "so an edit, s": whole_edit}


def autoencoder(plan: Plan) -> Iterator[Row]:
    """Encoding and decoding a picture."""
    vae = networks(plan.build("meta"))["vae"].to_empty(device=plan.device)
    with torch.no_grad():
        for weights in vae.parameters():
            weights.normal_(std=0.02)
    for size in plan.sizes:
        picture = torch.zeros(1, 3, size[1], size[0], device=plan.device, dtype=torch.bfloat16)
        encode, decode = partial(_encoded, vae, picture), partial(_decoded, vae, _encoded(vae, picture))
        decode()
        _reset_peak()
        taken = [(seconds(encode), seconds(decode)) for _ in range(plan.repeats)]
        yield {"size": size_name(size), "encode, ms": round(median(a for a, _ in taken) * MS, 1),
               "decode, ms": round(median(b for _, b in taken) * MS, 1), "peak, GB": _peak()}  # fmt: skip


@torch.no_grad()
def _encoded(vae: Any, picture: Tensor) -> Tensor:
    return vae.encode(picture).latent_dist.mean


@torch.no_grad()
def _decoded(vae: Any, latents: Tensor) -> Tensor:
    return vae.decode(latents).sample


def whole_edits(plan: Plan) -> Iterator[Row]:
    """Complete edits with every default, and GRAG where the method takes it."""
    flow, size = plan.build(), plan.sizes[0]
    for name, options in (("flowedit", {}), ("stableflow", {}), ("stableflow", {"grag": 1.2})):
        with job(flow) as (mine, cost):
            scale.run(mine, name, size, plan.device, **options)
        yield {"size": size_name(size), "method": name, **options, "NFE": cost.nfe, "seconds": round(cost.seconds, 2),
               "peak, GB": round(cost.peak_memory_mb * 2**20 / GB, 1)}  # fmt: skip


def sweeps(plan: Plan) -> Iterator[Row]:
    """Eight strengths of one edit in one call of the method, against eight edits."""
    flow, size = plan.build(), plan.sizes[0]
    steps = few_steps(METHODS["stableflow"])
    prompt, x = condition(flow, plan.device), latents(flow, size, plan.device)
    made, deltas = method("stableflow", **steps), [0.5 + 0.1 * number for number in range(STRENGTHS)]

    def edit(strengths: Sequence[float]) -> None:
        made(flow, x, source=prompt, target=prompt[[0] * len(strengths)], grag=strengths)

    one, sweep = partial(seconds, partial(edit, deltas[:1])), partial(seconds, partial(edit, deltas))
    one(), sweep()
    pairs = [(one(), sweep()) for _ in range(plan.repeats)]
    yield {"size": size_name(size), "method": "stableflow", "strengths": STRENGTHS,
           "over single edits": round(median(whole / (STRENGTHS * each) for each, whole in pairs), 3)}  # fmt: skip


def compiled(plan: Plan) -> Iterator[Row]:
    """Compiled blocks: bare, with hooks, and whether a second edit or another size compiles again."""
    flow = plan.build()
    eager = {size: _call_seconds(flow, size, 1, plan) for size in plan.sizes}
    torch._dynamo.reset()
    flow.transformer.compile_repeated_blocks()
    for size in plan.sizes:
        before = _graphs()
        first = seconds(partial(_call, flow, size, 1, plan.device))
        warm = _call_seconds(flow, size, 1, plan)
        yield {"size": size_name(size), "what": "one call", "first, s": round(first, 1),
               "over eager": round(warm / eager[size], 3), "graphs compiled": _graphs() - before}  # fmt: skip
    for name in ("flowedit", "stableflow", "stableflow+"):
        run = partial(scale.run, flow, name, plan.sizes[0], plan.device, **few_steps(METHODS[name]))
        for turn in ("first edit", "second edit"):
            before, taken = _graphs(), seconds(run)
            yield {"size": size_name(plan.sizes[0]), "what": f"{name}, {turn}", "first, s": round(taken, 1),
                   "graphs compiled": _graphs() - before}  # fmt: skip
    torch._dynamo.reset()


def smaller(plan: Plan) -> Iterator[Row]:
    """Weights in 8 bits, and networks that wait in the CPU's memory: time of a call over that of the plain model."""
    size = plan.sizes[0]
    flow = plan.build()
    plain = _call_seconds(flow, size, 1, plan)
    yield {"what": "plain", "size": size_name(size), "over plain": 1.0, "peak, GB": _peak()}
    store_in_fp8(flow.transformer, torch.bfloat16)
    yield _over(plain, "fp8 storage", flow, plan)
    for offload in ("model", "group"):
        del flow
        gc.collect()  # before the peak is looked at: the model before it is held by a circle
        flow = plan.build("cpu" if offload == "group" else plan.device)
        put(flow.pipeline, offload, torch.device(plan.device))
        yield _over(plain, f"offload {offload}", flow, plan)


def _over(plain: float, what: str, flow: ImageFlow, plan: Plan) -> Row:
    size = plan.sizes[0]
    taken = _call_seconds(flow, size, 1, plan)
    return {"what": what, "size": size_name(size), "over plain": round(taken / plain, 2), "peak, GB": _peak()}


def few_steps(kind: type[Method], steps: int = STEPS) -> dict[str, int]:
    """The method's options that count steps, so that all ``steps`` are made."""
    counts = {"steps": steps, "n_max": steps, "inject_steps": min(steps, getattr(kind, "inject_steps", 0))}
    return {name: count for name, count in counts.items() if name in option_names(kind)}


def _against_calls(flow: ImageFlow, run: Callable[[], Any], repeats: int) -> Row:
    """Seconds a row of ``run``, and its time over that of its bare calls, measured in turns."""
    recorded = recorded_calls(flow, run)  # also chooses kernels

    @torch.no_grad()
    def bare() -> None:
        for call in recorded:
            flow.transformer(**call)

    bare()
    _reset_peak()
    pairs = [(seconds(run), seconds(bare)) for _ in range(repeats)]
    rows = sum(len(call["hidden_states"]) for call in recorded)
    each = median(whole for whole, _ in pairs) / rows
    return {"ms a row": round(each * MS, 2), "over the bare calls": round(median(a / b for a, b in pairs), 4),
            "peak, GB": _peak()}  # fmt: skip


@torch.no_grad()
def _call(flow: ImageFlow, size: Size, rows: int, device: str) -> None:
    flow.velocity(condition(flow, device)[[0] * rows], 3.5)(latents(flow, size, device).expand(rows, -1, -1, -1), 0.5)


def _call_seconds(flow: ImageFlow, size: Size, rows: int, plan: Plan) -> float:
    call = partial(_call, flow, size, rows, plan.device)
    call()
    _reset_peak()
    return median(seconds(call) for _ in range(plan.repeats))


def _graphs() -> int:
    return counters["stats"]["unique_graphs"]


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> float:
    return round(torch.cuda.max_memory_allocated() / GB, 2) if torch.cuda.is_available() else 0.0


SECTIONS: dict[str, Callable[[Plan], Iterator[Row]]] = {
    "calls": calls, "methods": methods, "whole edits": whole_edits, "sweeps": sweeps, "autoencoder": autoencoder,
    "smaller": smaller, "fill": partial(methods, fills=True), "compiled": compiled,
}  # fmt: skip
