"""What an adapter costs in a forward call of the in-context editor, and which experts edits of each task go to.

``adapters.jsonl``: with ``adapter``, its ``parameters`` and ``ratio``, the time of a forward call of one diptych over
that without an adapter; with ``layer``, ``sparse_ratio``, the time of computing only the chosen experts there over
that of computing all; with ``id`` and ``task`` of a problem, ``experts``: by layer, how many tokens each expert got in
its edit. ``of.options`` has ``steps`` of the edit and ``device``: times were measured in turns on one machine."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowedit_grag import Editor
from flowedit_grag.analysis.charts import heatmap
from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.backbone.load import load
from flowedit_grag.experiments.samples import Sample, noise_seed
from flowedit_grag.lab.tasks import TASKS
from flowedit_grag.lora_moe import recorded_usage
from flowedit_grag.lora_moe.layer import gate
from flowedit_grag.report.measurements import Record, Records

from . import overhead
from .base import Bench, Findings

MODEL = "lab-fill"
LORA, MIXTURE = "lab-lora", "lab-moe"
STEPS, REPEATS = 8, 15
PER_TASK = 4
LAYERS = {  # experts, rank, features in and out; tokens of a diptych with its text
    "a layer of lab-fill": ((4, 7, 960, 192), 176),
    "one of FLUX.1-Fill-dev at 512x1024": ((4, 32, 15360, 3072), 2560),
}
Opened = Callable[[str | None], ImageFlow]  # the model with an adapter, by its name


def section(bench: Bench) -> list[Findings]:
    """A row for each adapter; the experts' shares as a figure."""
    device = bench.flow.device
    records = bench.records(
        __file__, overhead.__file__, made_with=(MODEL, LORA, MIXTURE),
        steps=STEPS, repeats=REPEATS, device=device.type, dtype=str(bench.flow.transformer.dtype),
    )  # fmt: skip

    @cache
    def opened(adapter: str | None) -> ImageFlow:
        return load(MODEL, adapter=adapter, device=device, dtype=bench.flow.transformer.dtype)

    table = Findings("Adapters in a forward call of one diptych", ("what", "parameters", "time over none"))
    sample = next(iter(bench.problems(1)))
    for adapter in (LORA, MIXTURE):
        record = records.find(adapter=adapter) or _forward_call(opened, adapter, sample, records)
        table.add(adapter, f"{record['parameters']:,}", f"{record['ratio']:.2f}")
    for layer, (sizes, tokens) in LAYERS.items():
        if (found := records.find(layer=layer)) is None:
            ratio = Experts(*sizes, device=device).sparse_over_dense(tokens, REPEATS)
            found = records.add({"layer": layer}, sparse_ratio=ratio)
        table.remarks.append(
            f"Computing only the chosen of {sizes[0]} experts in {layer}: {found['sparse_ratio']:.2f} times the time."
        )
    table.figures.append(_experts(bench, opened, records))
    return [table]


def parameters(flow: ImageFlow) -> int:
    """Of a model's adapters."""
    return sum(weight.numel() for name, weight in flow.transformer.named_parameters() if "lora_" in name)


@torch.no_grad()
def _forward_call(opened: Opened, adapter: str, sample: Sample, records: Records) -> Record:
    bare, adapted = (
        partial(flow.transformer, **overhead.recorded_calls(flow, partial(_edit, flow, sample))[0])
        for flow in (opened(None), opened(adapter))
    )
    bare()
    ratio = overhead.ratio(adapted, bare, REPEATS)
    return records.add({"adapter": adapter}, parameters=parameters(opened(adapter)), ratio=ratio)


def _edit(flow: ImageFlow, sample: Sample) -> None:
    editor = Editor("icedit", flow, steps=STEPS)
    editor.edit(sample.image(), instruction=sample.instruction, seed=noise_seed(0, sample.id), detail="model")


def _experts(bench: Bench, opened: Opened, records: Records) -> Path:
    """Each expert's share of the tokens, by layer and by task of the edits."""
    counts: dict[str, dict[str, np.ndarray]] = {}  # by layer and task, [experts]
    for sample in bench.problems(PER_TASK):
        asked = {"id": sample.id, "task": sample.task}
        if (found := records.find(**asked)) is None:
            with recorded_usage(opened(MIXTURE).transformer) as usage:
                _edit(opened(MIXTURE), sample)
            found = records.add(asked, experts={layer: own.tolist() for layer, own in usage.items()})
        for layer, own in found["experts"].items():
            of_layer = counts.setdefault(layer, {})
            of_layer[sample.task] = of_layer.get(sample.task, 0) + np.array(own)
    shares = [[share for task in TASKS for share in of[task] / of[task].sum()] for of in counts.values()]
    columns = [f"{task} {expert}" for task in TASKS for expert in range(len(shares[0]) // len(TASKS))]
    return heatmap(shares, list(counts), bench.out / "experts.png", "task and expert", "Share of tokens", columns)


class Experts:
    """Would it be faster to compute only the experts that a token goes to? Why :class:`MixtureLinear` does not.

    Random ones of one layer, float32: ``a`` ``[experts, rank, in]``, ``b`` ``[experts, out, rank]``, ``route``
    ``[experts, in]``."""

    def __init__(self, experts: int, rank: int, into: int, out: int, device: torch.device | str = "cpu"):
        noise = torch.Generator().manual_seed(0)
        shapes = (experts, rank, into), (experts, out, rank), (experts, into)
        self.a, self.b, self.route = (torch.randn(*shape, generator=noise).to(device) for shape in shapes)

    def all_of_them(self, x: Tensor) -> Tensor:
        """``[tokens, out]`` of ``x`` ``[tokens, in]`` as the product does it: two matrix products, a gate between."""
        weights = gate(x @ self.route.T, 1, "softmax_then_topk")
        middle = (x @ self.a.flatten(0, 1).T).unflatten(-1, (len(self.a), -1)) * weights[..., None]
        return middle.flatten(-2) @ self.b.transpose(0, 1).flatten(1).T

    def only_the_chosen(self, x: Tensor) -> Tensor:
        """The same number by gathering every expert's tokens."""
        weight, chosen = (x @ self.route.T).softmax(dim=-1).max(dim=-1)
        result = x.new_zeros(len(x), self.b.shape[1])
        for index, (a, b) in enumerate(zip(self.a, self.b, strict=True)):
            rows = (chosen == index).nonzero()[:, 0]
            result[rows] = (x[rows] @ a.T * weight[rows, None]) @ b.T
        return result

    @torch.no_grad()
    def sparse_over_dense(self, tokens: int, repeats: int) -> float:
        """Time of :meth:`only_the_chosen` over that of :meth:`all_of_them`, the median of ``repeats``."""
        x = torch.randn(tokens, self.a.shape[-1], generator=torch.Generator().manual_seed(1)).to(self.a.device)
        sparse, dense = partial(self.only_the_chosen, x), partial(self.all_of_them, x)
        sparse(), dense()
        return overhead.ratio(sparse, dense, repeats)
