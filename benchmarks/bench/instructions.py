"""ICEdit's Table 3 (a): what the prompt, a mask and an adapter do for edits that are told by an instruction."""

from dataclasses import dataclass

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.backbone.load import load
from flowedit_grag.report.intervals import share_difference

from ..edits import Contestant, run
from .base import OUTCOMES, Bench, Table, outcomes
from .gallery import gallery

PER_TASK = 30


@dataclass(frozen=True)
class Stage:
    """A row of the table: a method on an embedded model, perhaps with an adapter."""

    contestant: Contestant
    model: str = "lab-fill"
    adapter: str | None = None

    @property
    def made_with(self) -> list[str]:
        """Names of the model and the adapter."""
        return [name for name in (self.model, self.adapter) if name]


STAGES = (
    Stage(Contestant("direct prompt", "icedit", {"prompt": "direct"})),
    Stage(Contestant("training-free, T2I", "icedit-t2i"), "lab"),
    Stage(Contestant("training-free, inpainting", "icedit")),
    Stage(Contestant("LoRA", "icedit"), adapter="lab-lora"),
    Stage(Contestant("LoRA-MoE", "icedit"), adapter="lab-moe"),
)
SHARES = ("success", "kept")
STEPS_UP = (("training-free, inpainting", "direct prompt"), ("LoRA", "training-free, inpainting"), ("LoRA-MoE", "LoRA"))


def section(bench: Bench) -> Table:
    trials = bench.trials(PER_TASK)
    table = Table(
        f"{len(trials)} {bench.split} edits from instructions alone (ICEdit, Table 3 a)",
        ("what", "adapter's parameters", *OUTCOMES, "NFE"),
    )
    found, columns = {}, []
    for stage in STAGES:
        flow = opened(bench, stage)
        found |= run(flow, [stage.contestant], trials, bench.records("instructions", *stage.made_with))
        columns.append((flow, stage.contestant))
        own = found[stage.contestant.name]
        table.add(stage.contestant.name, f"{parameters(flow):,}", *outcomes(own), f"{own[0]['nfe']}")
    for better, worse in STEPS_UP:
        gaps = (share_difference([r[key] for r in found[better]], [r[key] for r in found[worse]]) for key in SHARES)
        said = ", ".join(f"{key} {gap.gap('points', 0)}" for key, gap in zip(SHARES, gaps, strict=True))
        table.remarks.append(f"{better} over {worse}: {said}.")
    table.figures.append(gallery(bench.out / "instructions.png", columns, trials))
    return table


def opened(bench: Bench, stage: Stage) -> Flow:
    """The stage's model, where and in the precision that the bench's own is."""
    if (stage.model, stage.adapter) == (bench.flow.name, None):
        return bench.flow
    return load(stage.model, adapter=stage.adapter, device=bench.flow.device, dtype=bench.flow.transformer.dtype)


def parameters(flow: Flow) -> int:
    """Of a model's adapters."""
    return sum(weight.numel() for name, weight in flow.transformer.named_parameters() if "lora_" in name)
