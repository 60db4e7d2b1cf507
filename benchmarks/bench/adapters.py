"""What an adapter costs in a forward call, and which experts edits of each task go to."""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from flowedit_grag.analysis.charts import heatmap
from flowedit_grag.backbone.flow import Flow
from flowedit_grag.lab.tasks import TASKS
from flowedit_grag.lora_moe import recorded_usage

from ..edits import Contestant, edited_images
from ..overhead import recorded_calls, seconds
from ..sparse_experts import Experts, sparse_over_dense
from .base import Bench, Table
from .instructions import STAGES, opened, parameters

PLAIN = STAGES[-3:]  # the Fill model alone, with LoRA, with the mixture
REPEATS = 15
PER_TASK = 4
LAYERS = (  # where; experts, rank, features in and out; tokens of a diptych with its text
    ("a layer of lab-fill", (4, 7, 960, 192), 176),
    ("one of FLUX.1-Fill-dev at 512x1024", (4, 32, 15360, 3072), 2560),
)
EDIT = Contestant("icedit", "icedit", {"steps": 8})


def section(bench: Bench) -> Table:
    """Times only mean something against each other, and are measured in turns."""
    flows = {stage.contestant.name: opened(bench, stage) for stage in PLAIN}
    (trial,) = bench.trials(1, ("color",))[:1]
    base, *adapted = (partial(_forward, flow, _call(flow, partial(edited_images, flow, EDIT, trial)))
                      for flow in flows.values())  # fmt: skip
    base()
    ratios = [[seconds(run) / seconds(base) for run in adapted] for _ in range(REPEATS)]
    table = Table("Adapters in a forward call of one diptych", ("what", "parameters", "time over none"))
    for (name, flow), own in zip(list(flows.items())[1:], zip(*ratios, strict=True), strict=True):
        table.add(name, f"{parameters(flow):,}", f"{statistics.median(own):.2f}")
    for place, sizes, tokens in LAYERS:
        ratio = sparse_over_dense(Experts.drawn(*sizes, device=bench.flow.device), tokens)
        table.remarks.append(f"Computing only the chosen of {sizes[0]} experts in {place}: {ratio:.2f} times the time.")
    mixture = list(flows.values())[-1]
    table.figures.append(_experts(bench, mixture))
    return table


def _call(flow: Flow, run: Callable) -> dict:
    return recorded_calls(flow, run)[0]


@torch.no_grad()
def _forward(flow: Flow, call: dict) -> None:
    flow.transformer(**call)


def _experts(bench: Bench, flow: Flow) -> Path:
    """Each expert's share of the tokens, by layer and by task of the edits."""
    shares: dict[str, list[float]] = {}
    for task in TASKS:
        with recorded_usage(flow.transformer) as usage:
            for trial in bench.trials(PER_TASK, (task,)):
                edited_images(flow, EDIT, trial)
        for layer, own in usage.shares().items():
            shares.setdefault(layer, []).extend(own)
    experts = len(next(iter(shares.values()))) // len(TASKS)
    columns = [f"{task} {expert}" for task in TASKS for expert in range(experts)]
    return heatmap(list(shares.values()), list(shares), bench.out / "experts.png", "task and expert", "Share of tokens",
                   columns)  # fmt: skip
