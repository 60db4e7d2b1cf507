"""FLUX.1-dev's cost for every method, without its weights.

python benchmarks/flux_scale.py predict          # counted on the meta device: tables as Markdown
python benchmarks/flux_scale.py measure          # timed on this machine's GPU, with random bfloat16 weights
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from benchmarks import footprint, scale
from benchmarks.overhead import overhead
from benchmarks.shape import condition, flux_flow, latents
from flowedit_grag.backbone.flow import Flow
from flowedit_grag.injection.recorder import recording_bytes
from flowedit_grag.measure import measured
from flowedit_grag.methods import METHODS, option_names

GB = 1e9


def predict() -> str:
    """All predicted tables as Markdown."""
    flow = flux_flow("meta")
    forwards = [scale.forward(flow, size) for size in scale.SIZES]
    works = scale.works()
    diptychs = [scale.forward(flow, (2 * width, height)) for width, height in scale.SIZES]
    sections = {
        "One forward call": _forwards(forwards),
        "Methods": _seconds(forwards, diptychs, works),
        "Memory: peak, GB": _memory(forwards, works),
        "Memory of recorded values": _recorder(flow),
    }
    return "\n\n".join(f"## {title}\n\n{table}" for title, table in sections.items())


def _forwards(forwards: list[scale.Forward]) -> str:
    rows = [[_name(f.size), f"{f.flops / 1e12:.1f}", f"{f.activations / GB:.2f}"] for f in forwards]
    return _table(["one forward call, one row", "TFLOP", "activations, GB"], rows)


def _seconds(forwards, diptychs, works) -> str:
    names = list(scale.GPUS)
    head = ["method", "calls", "NFE", *(f"TFLOP at {_name(f.size)}" for f in forwards), *(f"{n}, s" for n in names)]
    rows = []
    for w in works:
        flops = [w.flops(single, diptych) for single, diptych in zip(forwards, diptychs, strict=True)]
        seconds = [scale.seconds(flops[1], scale.GPUS[n]) for n in names]
        rows.append([w.method, w.calls, w.nfe, *(f"{n / 1e12:,.0f}" for n in flops), *(f"{s:.0f}" for s in seconds)])
    return _table(head, rows)


def _memory(forwards, works) -> str:
    modules = footprint.components()
    parts = {name: footprint.Component.of(module) for name, module in modules.items()}
    rows_at_once = max(w.rows for w in works)
    head = ["quantisation", "offload", *(_name(f.size) for f in forwards)]
    rows = []
    for quantization in footprint.LINEAR_BYTES:
        for offload in ("none", "model", "group"):
            cells = []
            for f in forwards:
                width, height = f.size
                z = torch.empty(1, 16, height // 8, width // 8, device="meta")
                decoding = footprint.decoding_bytes(modules["vae"], z)
                peak = footprint.peak_bytes(parts, quantization, offload, rows_at_once * f.activations, decoding)
                cells.append(f"{peak / GB:.1f}")
            rows.append([quantization, offload, *cells])
    return _table(head, rows)


def _recorder(flow) -> str:
    layers, steps = flow.profile.value_layers, 2 * 2  # rf-solver-edit's defaults: midpoint calls twice a step
    rows = []
    for size in scale.SIZES:
        layout = flow.layout(latents(flow, size, "meta"), condition(flow, "meta"))
        own = recording_bytes(flow.transformer, layout.text + layout.tokens, len(layers), steps)
        t2i = recording_bytes(flow.transformer, layout.tokens, 57, 28)
        rows.append([_name(size), f"{own / GB:.2f}", f"{t2i / GB:.1f}"])
    return _table(["size", "rf-solver-edit, GB", "icedit-t2i, GB"], rows)


def measure(flow: Flow, size: tuple[int, int], steps: int | None) -> str:
    """A table of measured seconds, peak memory and cost over the bare calls."""
    rows, device = [], flow.device.type
    for name in (name for name in METHODS if METHODS[name].fills == flow.fills):
        options = {} if steps is None or "steps" not in option_names(METHODS[name]) else {"steps": steps}
        if "n_max" in option_names(METHODS[name]) and steps is not None:
            options["n_max"] = steps
        scale.run(flow, name, size, device, **options)  # the first run also chooses kernels
        with measured(flow) as cost:
            scale.run(flow, name, size, device, **options)
        extra = overhead(flow, lambda name=name, options=options: scale.run(flow, name, size, device, **options), 3)
        row = [name, cost.nfe, f"{cost.seconds:.2f}", f"{cost.peak_memory_mb / 1e3:.1f}", f"{extra:.1%}"]
        print(json.dumps(row), file=sys.stderr, flush=True)
        rows.append(row)
    where = torch.cuda.get_device_name() if device == "cuda" else device
    title = f"{flow.name}, {_name(size)}, {where}, torch {torch.__version__}"
    return f"{title}\n\n" + _table(["method", "NFE", "seconds", "peak, GB", "over the bare calls"], rows)


def _name(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _table(head: list, rows: list[list]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["predict", "measure"])
    parser.add_argument("-o", "--out", type=Path, help="write the tables there instead of printing them")
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 1024), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--fill", action="store_true", help="FLUX.1-Fill-dev, and the methods that need it")
    parser.add_argument("--layers", type=int, nargs=2, metavar=("DOUBLE", "SINGLE"), help="a shallower FLUX")
    parser.add_argument("--steps", type=int, help="for every method, in place of its default")
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    if given.what == "measure" and given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here; to try it: --device cpu --layers 1 1 --size 64 64 --steps 1.")
    if given.what == "predict":
        text = predict()
    else:
        flow = flux_flow(given.device, tuple(given.layers) if given.layers else None, fills=given.fill)
        text = measure(flow, tuple(given.size), given.steps)
    given.out.write_text(text + "\n") if given.out else print(text)


if __name__ == "__main__":
    main()
