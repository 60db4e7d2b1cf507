"""FLUX.1-dev's cost for every method, without its weights. (``python -m benchmarks scale`` predicts it.)

python benchmarks/flux_scale.py measure          # timed on this machine's GPU, with random bfloat16 weights
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import torch

from benchmarks import scale
from benchmarks.base import Findings
from benchmarks.overhead import overhead
from benchmarks.shape import DEPTH, flux_flow
from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.job import job
from flowedit_grag.methods import METHODS, Method
from flowedit_grag.options import option_names


def measure(flow: ImageFlow, size: tuple[int, int], steps: int | None) -> str:
    """A table of measured seconds, peak memory and cost over the bare calls."""
    device = flow.device.type
    where = torch.cuda.get_device_name() if device == "cuda" else device
    table = Findings(
        f"{flow.name}, {scale.size_name(size)}, {where}, torch {torch.__version__}",
        ("method", "NFE", "seconds", "peak, GB", "over the bare calls"),
    )
    for name in (name for name in METHODS if METHODS[name].fills == flow.fills):
        counts = {} if steps is None else _counts(METHODS[name], steps)
        run = partial(scale.run, flow, name, size, device, **counts)
        run()  # the first run also chooses kernels
        with job(flow) as (mine, cost):
            scale.run(mine, name, size, device, **counts)
        extra = overhead(flow, run, 3)
        table.add(name, cost.nfe, f"{cost.seconds:.2f}", f"{cost.peak_memory_mb / 1e3:.1f}", f"{extra:.1%}")
        print(json.dumps(table.rows[-1]), file=sys.stderr, flush=True)
    return table.markdown()


def _counts(method: type[Method], steps: int) -> dict[str, int]:
    """The method's options that count steps, so that all ``steps`` are made."""
    counts = {"steps": steps, "n_max": steps, "inject_steps": min(steps, getattr(method, "inject_steps", 0))}
    return {name: count for name, count in counts.items() if name in option_names(method)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure"])
    parser.add_argument("-o", "--out", type=Path, help="write the tables there instead of printing them")
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 1024), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--fill", action="store_true", help="FLUX.1-Fill-dev, and the methods that need it")
    parser.add_argument("--layers", type=int, nargs=2, default=DEPTH, metavar=("DOUBLE", "SINGLE"), help="fewer blocks")
    parser.add_argument("--steps", type=int, help="for every method, in place of its default")
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here; to try it: --device cpu --layers 1 1 --size 64 64 --steps 1.")
    flow = flux_flow(given.device, tuple(given.layers), fills=given.fill)
    text = measure(flow, tuple(given.size), given.steps)
    given.out.write_text(text + "\n") if given.out else print(text)


if __name__ == "__main__":
    main()
