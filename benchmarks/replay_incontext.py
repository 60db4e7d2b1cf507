"""Replays of the recorded runs of ICEdit's diptych and LoRA-MoE, on the tiny Fill model."""

from pathlib import Path

import torch
from peft import inject_adapter_in_model
from safetensors.torch import load_file
from torch import Tensor, nn

from flowedit_grag.backbone.families.flux_transformer import pack, unpack
from flowedit_grag.backbone.flow import Condition, Flow
from flowedit_grag.lora_moe import LoraMoeConfig, load_adapter
from flowedit_grag.lora_moe.layer import gate
from flowedit_grag.methods import method

from .replay import relative_error

ADAPTER = "moe_lora"  # folder of the recorded adapter
FORWARD = ("hidden_states", "encoder_hidden_states", "pooled_projections", "timestep", "guidance", "img_ids", "txt_ids")


def diptych(flow: Flow, folder: Path) -> float:
    """Every state of the recorded run, and every velocity, which is what lies between two states."""
    file = load_file(folder / "diptych.safetensors")
    latents, noise = unpack(file["cond"][..., : file["call_v"].shape[-1]], file["draw1"].shape[-2]), file["draw1"]
    edit = method("icedit", steps=len(file["call_t"]), guidance=file["guidance"].item())
    condition = Condition(file["prompt_embeds"], file["pooled"])
    errors, x, sigmas = [], noise, flow.schedule(edit.steps, noise)
    for step, made in enumerate(edit.iterate(flow, latents, source=condition, target=condition, noise=[noise])):
        errors.append(relative_error(pack(x), file["call_x_latents"][step]))
        velocity = (made.clean - x) / -sigmas[step]
        errors.append(relative_error(pack(velocity), file["call_v"][step]))
        x = made.latents
    return max(errors)


@torch.no_grad()
def moe_layer(flow: Flow, folder: Path) -> float:
    """Router, mixture, and the layer without its adapter."""
    file = load_file(folder / "moe_layer.safetensors")
    config = LoraMoeConfig(experts=4, rank=8, alpha=8, top_k=1, mixtures="layer", plain="")
    model = inject_adapter_in_model(config.peft(), nn.ModuleDict({"layer": nn.Linear(24, 16)}), "default")
    layer = model["layer"]
    layer.base_layer.load_state_dict({"weight": file["base_layer.weight"], "bias": file["base_layer.bias"]})
    for side, dim in (("A", 0), ("B", 1)):
        experts = [file[f"lora_{side}.expert_{index}.weight"] for index in range(config.experts)]
        getattr(layer, f"lora_{side}")["default"].weight.data = torch.cat(experts, dim=dim)
    layer.lora_route["default"].weight.data = file["lora_route.default.weight"]
    weights = gate(layer.lora_route["default"](file["x"]), config.top_k, config.router)
    errors = [relative_error(weights, file["route_weight"]), relative_error(layer(file["x"]), file["y"])]
    layer.enable_adapters(False)
    return max(*errors, relative_error(layer(file["x"]), file["y_base"]))


def moe_forward(flow: Flow, folder: Path) -> float:
    """The whole transformer without its adapter, with it, and with it switched off."""
    file = load_file(folder / "moe_forward.safetensors")
    transformer = type(flow.transformer).from_pretrained(folder / "tiny_flux_fill" / "transformer").eval()
    errors = [relative_error(forward(transformer, file), file["v_base"])]
    load_adapter(transformer, folder / ADAPTER)
    errors.append(relative_error(forward(transformer, file), file["v_lora"]))
    transformer.disable_adapters()
    return max(*errors, relative_error(forward(transformer, file), file["v_base"]))


@torch.no_grad()
def forward(transformer: nn.Module, file: dict[str, Tensor]) -> Tensor:
    """What ``transformer`` makes of the recorded call."""
    return transformer(**{name: file[name] for name in FORWARD}, return_dict=False)[0].float()


FILL_REPLAYS = {replay.__name__: replay for replay in (diptych, moe_layer, moe_forward)}
