"""Replays of the published implementations' recorded runs: on the tiny FLUX, and on the tiny Fill model those of
ICEdit's diptych and LoRA-MoE. Each yields errors, relative to the largest recorded value."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from peft import inject_adapter_in_model
from safetensors.torch import load_file
from torch import Tensor, nn

from flowedit_grag.backbone.attention_hook import Hooks, compose
from flowedit_grag.backbone.families.flux_transformer import PATCH, layout_of, pack, unpack
from flowedit_grag.backbone.flow import Condition, Flow
from flowedit_grag.guidance.control import ControlledGroup
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.lora_moe import LoraMoeConfig, load_adapter
from flowedit_grag.lora_moe.layer import gate
from flowedit_grag.methods import method
from flowedit_grag.progress import Progress

GRAG_KEYS = {  # name -> group, tokens, strength
    "cond_1.0_1.1": ("img", slice(None), GRAG(1.0, 1.1)),
    "cond_0.95_1.2_last8": ("img", slice(-8, None), GRAG(0.95, 1.2)),
    "txt_1.05_0.9_first5": ("txt", slice(0, 5), GRAG(1.05, 0.9)),
}
ADAPTER = "moe_lora"  # folder of the recorded adapter, beside the model
FORWARD = ("hidden_states", "encoder_hidden_states", "pooled_projections", "timestep", "guidance", "img_ids", "txt_ids")


def relative_error(found: Tensor, recorded: Tensor) -> float:
    """Largest difference over largest recorded value."""
    return float((found - recorded).abs().max() / recorded.abs().max())


def latent_grid(tokens: Tensor) -> Tensor:
    """Tokens ``[B, n * n, 4C]`` of a square image as latents ``[B, C, 2n, 2n]``."""
    return unpack(tokens, height=PATCH * round(tokens.shape[1] ** 0.5))


def flowedit(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    (source,), (target,) = conditions(file, "src_"), conditions(file, "tar_")
    edit = method("flowedit", steps=28, n_max=24, n_min=0, n_avg=1, source_guidance=1.5, target_guidance=5.5)
    noise = [latent_grid(draw) for draw in file["noise"]]
    run = edit.iterate(flow, file["x_src"], source=source, target=[target], noise=noise)
    yield from errors(run, "edit", [*file["zt_edit_in"][1:], pack(file["out_latent"])])


def stableflow_inversion(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    (source,) = conditions(file)
    run = method("stableflow", steps=15, nudge=1.0, vital_layers=())
    states = run.iterate(flow, latent_grid(file["x0"]), source=source, target=[source])
    yield from errors(states, "invert", file["inv_list"])


def stableflow_edit(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    source, *targets = conditions(file)
    edit = method("stableflow", steps=15, nudge=1.0, guidance=3.0, vital_layers=(0, 3, 5, 8))
    run = edit.iterate(flow, latent_grid(file["x0"]), source=source, target=targets)
    yield from errors(run, "edit", file["traj"])


def rfsolver(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    source, target = conditions(file)
    x = latent_grid(file["x0"])
    edit = method("rf-solver-edit", steps=15, inject_steps=0, guidance=1.0)
    inversion = edit.iterate(flow, x, source=source, target=[target])
    yield from errors(inversion, "invert", file["inv_traj"])
    yield relative_error(edit(flow, x, source=source, target=[target]), latent_grid(file["edit_out"]))
    back = method("reconstruct", steps=15, solver="midpoint")(flow, x, source=source, target=[source])
    yield relative_error(back, latent_grid(file["recon_out"]))


def rfsolver_value_injection(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    source, target = conditions(file)
    edit = method("rf-solver-edit", steps=15, inject_steps=2, value_layers=(7, 8, 9), guidance=2.0)
    out = edit(flow, latent_grid(file["x0"]), source=source, target=[target])
    yield relative_error(out, latent_grid(file["edit_out"]))


def grag_keys(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    for name, (group, tokens, strength) in GRAG_KEYS.items():
        keys = file[f"{group}_key"].clone()
        keys[:, tokens] = strength(keys[:, tokens], keys[:, tokens], keys)[0]
        yield relative_error(keys, file[f"{name}/{group}"])


def grag_forward(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    """The velocity of each recorded row at its own sigma, under each setting of GRAG."""
    condition, x = Condition(file["prompt_embeds"], file["pooled"]), latent_grid(file["x"])
    layout = layout_of(x, condition.embeds.shape[1])
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
    for name, hooks in cases.items():
        v = flow.velocity(condition, file["guidance"].tolist(), hooks)
        rows = [pack(v(x, sigma))[row] for row, sigma in enumerate(file["timestep"].tolist())]
        yield relative_error(torch.stack(rows), file[f"{name}/v"])


def diptych(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    """Every state of the recorded run, and every velocity, which is what lies between two states."""
    latents, noise = unpack(file["cond"][..., : file["call_v"].shape[-1]], file["draw1"].shape[-2]), file["draw1"]
    steps = len(file["call_t"])
    edit = method("icedit", steps=steps, guidance=file["guidance"].item())
    condition = Condition(file["prompt_embeds"], file["pooled"])
    x, sigmas = noise, flow.schedule(steps, noise)
    for step, made in enumerate(edit.iterate(flow, latents, source=condition, target=condition, noise=[noise])):
        assert made.latents is not None
        assert made.clean is not None
        yield relative_error(pack(x), file["call_x_latents"][step])
        yield relative_error(pack((made.clean - x) / -sigmas[step]), file["call_v"][step])
        x = made.latents


@torch.no_grad()
def moe_layer(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    """Router, mixture, and the layer without its adapter."""
    config = LoraMoeConfig(experts=4, rank=8, alpha=8, top_k=1, mixtures="layer", plain="")
    model: Any = inject_adapter_in_model(config.peft(), nn.ModuleDict({"layer": nn.Linear(24, 16)}), "default")
    layer = model["layer"]
    layer.base_layer.load_state_dict({"weight": file["base_layer.weight"], "bias": file["base_layer.bias"]})
    for side, dim in (("A", 0), ("B", 1)):
        experts = [file[f"lora_{side}.expert_{index}.weight"] for index in range(config.experts)]
        getattr(layer, f"lora_{side}")["default"].weight.data = torch.cat(experts, dim=dim)
    layer.lora_route["default"].weight.data = file["lora_route.default.weight"]
    weights = gate(layer.lora_route["default"](file["x"]), config.top_k, config.router)
    yield relative_error(weights, file["route_weight"])
    yield relative_error(layer(file["x"]), file["y"])
    layer.enable_adapters(False)
    yield relative_error(layer(file["x"]), file["y_base"])


@torch.no_grad()
def moe_forward(flow: Flow, file: dict[str, Tensor]) -> Iterator[float]:
    """The whole transformer without its adapter, with it, and with it switched off."""
    transformer, call = deepcopy(flow.transformer), {name: file[name] for name in FORWARD}

    def error(recorded: str) -> float:
        return relative_error(transformer(**call, return_dict=False)[0].float(), file[recorded])

    yield error("v_base")
    load_adapter(transformer, Path(flow.name).parent / ADAPTER)
    yield error("v_lora")
    transformer.disable_adapters()
    yield error("v_base")


TINY = (flowedit, stableflow_inversion, stableflow_edit, rfsolver, rfsolver_value_injection, grag_keys, grag_forward)
FILL = (diptych, moe_layer, moe_forward)
FILL_REPLAYS = {replay.__name__ for replay in FILL}
REPLAYS = {replay.__name__: replay for replay in (*TINY, *FILL)}


def replay(name: str, flow: Flow, folder: Path) -> float:
    """The largest error of replaying ``folder/name.safetensors`` on ``flow``, a Fill model for those of
    :data:`FILL_REPLAYS`."""
    return max(REPLAYS[name](flow, load_file(folder / f"{name}.safetensors")))


def conditions(file: dict[str, Tensor], prefix: str = "") -> list[Condition]:
    """The recorded prompts, one Condition each."""
    rows = Condition(file[f"{prefix}prompt_embeds"], file[f"{prefix}pooled"])
    return [rows[index] for index in range(len(rows))]


def errors(run: Iterable[Progress], stage: str, recorded: Iterable[Tensor]) -> Iterator[float]:
    """Of the states of one stage, recorded as tokens."""
    states = [one.latents for one in run if one.stage == stage and one.latents is not None]
    return (relative_error(state, latent_grid(tokens)) for state, tokens in zip(states, recorded, strict=True))
