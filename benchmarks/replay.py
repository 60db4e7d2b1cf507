"""Replays of the published implementations' recorded runs. Each returns the largest error, relative to the largest
recorded value."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from flowedit_grag.backbone.attention_hook import Hooks, compose
from flowedit_grag.backbone.families.flux_transformer import layout_of, pack
from flowedit_grag.backbone.flow import Condition, Flow
from flowedit_grag.guidance.control import ControlledGroup
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.methods import method
from flowedit_grag.progress import Progress

from .latents import latent_grid

GRAG_KEYS = {  # name -> group, tokens, strength
    "cond_1.0_1.1": ("img", slice(None), GRAG(1.0, 1.1)),
    "cond_0.95_1.2_last8": ("img", slice(-8, None), GRAG(0.95, 1.2)),
    "txt_1.05_0.9_first5": ("txt", slice(0, 5), GRAG(1.05, 0.9)),
}


def relative_error(found: Tensor, recorded: Tensor) -> float:
    """Largest difference over largest recorded value."""
    return float((found - recorded).abs().max() / recorded.abs().max())


def flowedit(flow: Flow, file: dict[str, Tensor]) -> float:
    (source,), (target,) = conditions(file, "src_"), conditions(file, "tar_")
    edit = method("flowedit", steps=28, n_max=24, n_min=0, n_avg=1, source_guidance=1.5, target_guidance=5.5)
    noise = [latent_grid(draw) for draw in file["noise"]]
    run = edit.iterate(flow, file["x_src"], source=source, target=[target], noise=noise)
    recorded = [*(latent_grid(state) for state in file["zt_edit_in"][1:]), file["out_latent"]]
    return worst(run, "edit", recorded)


def stableflow_inversion(flow: Flow, file: dict[str, Tensor]) -> float:
    (source,) = conditions(file)
    run = method("stableflow", steps=15, nudge=1.0, vital_layers=())
    states = run.iterate(flow, latent_grid(file["x0"]), source=source, target=[source])
    return worst(states, "invert", [latent_grid(state) for state in file["inv_list"]])


def stableflow_edit(flow: Flow, file: dict[str, Tensor]) -> float:
    source, *targets = conditions(file)
    edit = method("stableflow", steps=15, nudge=1.0, guidance=3.0, vital_layers=(0, 3, 5, 8))
    run = edit.iterate(flow, latent_grid(file["x0"]), source=source, target=targets)
    return worst(run, "edit", [latent_grid(state) for state in file["traj"]])


def rfsolver(flow: Flow, file: dict[str, Tensor]) -> float:
    source, target = conditions(file)
    x = latent_grid(file["x0"])
    edit = method("rf-solver-edit", steps=15, inject_steps=0, guidance=1.0)
    inversion = edit.iterate(flow, x, source=source, target=[target])
    errors = [worst(inversion, "invert", [latent_grid(state) for state in file["inv_traj"]])]
    errors.append(relative_error(edit(flow, x, source=source, target=[target]), latent_grid(file["edit_out"])))
    back = method("reconstruct", steps=15, solver="midpoint")(flow, x, source=source, target=[source])
    return max(*errors, relative_error(back, latent_grid(file["recon_out"])))


def rfsolver_value_injection(flow: Flow, file: dict[str, Tensor]) -> float:
    source, target = conditions(file)
    edit = method("rf-solver-edit", steps=15, inject_steps=2, value_layers=(7, 8, 9), guidance=2.0)
    out = edit(flow, latent_grid(file["x0"]), source=source, target=[target])
    return relative_error(out, latent_grid(file["edit_out"]))


def grag_keys(flow: Flow, file: dict[str, Tensor]) -> float:
    errors = []
    for name, (group, tokens, strength) in GRAG_KEYS.items():
        keys = file[f"{group}_key"].clone()
        keys[:, tokens] = strength(keys[:, tokens], keys[:, tokens], keys)[0]
        errors.append(relative_error(keys, file[f"{name}/{group}"]))
    return max(errors)


def grag_forward(flow: Flow, file: dict[str, Tensor]) -> float:
    condition = Condition(file["prompt_embeds"], file["pooled"])
    layout = layout_of(latent_grid(file["x"]), condition.embeds.shape[1])
    text, image = slice(0, layout.text), layout.image
    last = slice(image.stop - 32, image.stop)
    everywhere = range(flow.layers)
    double = range(flow.transformer.config.num_layers)

    def keys(tokens: slice, lam: float, delta: float) -> ControlledGroup:
        return ControlledGroup(tokens, (GRAG(lam, delta),) * 2, text=0)

    cases: dict[str, Hooks] = {
        "off": {},
        "identity": dict.fromkeys(everywhere, keys(image, 1.0, 1.0)),
        "img_0.9_1.1_all": dict.fromkeys(everywhere, keys(image, 0.9, 1.1)),
        "img_1.0_1.2_all": dict.fromkeys(everywhere, keys(image, 1.0, 1.2)),
        "img_1.0_1.2_last32": dict.fromkeys(everywhere, keys(last, 1.0, 1.2)),
        "img_1.0_1.2_double_only": dict.fromkeys(double, keys(image, 1.0, 1.2)),
        "txt_1.1_0.9_img_0.9_1.1": dict.fromkeys(everywhere, compose(keys(text, 1.1, 0.9), keys(image, 0.9, 1.1))),
    }
    errors = []
    for name, edits in cases.items():
        errors.append(relative_error(_rows(flow, file, condition, edits), file[f"{name}/v"]))
    return max(errors)


def _rows(flow: Flow, file: dict[str, Tensor], condition: Condition, hooks: Hooks) -> Tensor:
    """The velocity tokens of each recorded row at its own sigma."""
    v = flow.velocity(condition, file["guidance"].tolist(), hooks)
    x = latent_grid(file["x"])
    return torch.cat([pack(v(x, sigma))[row : row + 1] for row, sigma in enumerate(file["timestep"].tolist())])


REPLAYS: dict[str, Callable[[Flow, dict[str, Tensor]], float]] = {
    replay.__name__: replay
    for replay in (
        flowedit, stableflow_inversion, stableflow_edit, rfsolver, rfsolver_value_injection, grag_keys, grag_forward,
    )
}  # fmt: skip


def replay(name: str, flow: Flow, folder: Path) -> float:
    """Replay ``folder/name.safetensors`` on ``flow``."""
    return REPLAYS[name](flow, load_file(folder / f"{name}.safetensors"))


def conditions(file: dict[str, Tensor], prefix: str = "") -> list[Condition]:
    """The recorded prompts, one Condition each."""
    rows = Condition(file[f"{prefix}prompt_embeds"], file[f"{prefix}pooled"])
    return [rows[index] for index in range(len(rows))]


def worst(run: Iterable[Progress], stage: str, recorded: list[Tensor]) -> float:
    """The largest error among the states of one stage."""
    states = [progress.latents for progress in run if progress.stage == stage]
    return max(relative_error(state, expected) for state, expected in zip(states, recorded, strict=True))
