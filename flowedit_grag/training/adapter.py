"""The adapter that is trained."""

import re
from dataclasses import replace

import torch
from diffusers.training_utils import cast_training_params
from torch import nn

from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..lora_moe.config import NAME, LoraMoeConfig


def add_adapter(flow: ImageFlow, config: LoraMoeConfig, seed: int) -> dict[str, nn.Parameter]:
    """Freeze the model and add an adapter; returns its weights, float32 whatever the model's, drawn from ``seed``.

    Raises :class:`InputError` where no layer has a name that the adapter is meant for, or one that is not linear.
    """
    if config.experts == 1:  # which needs no router
        config = replace(config, mixtures="", plain="|".join(filter(None, (config.mixtures, config.plain))))
    adapter = config.peft()
    meant = {
        name: module for name, module in flow.transformer.named_modules()
        if re.fullmatch(str(adapter.target_modules), name)
    }  # fmt: skip
    if not meant:
        raise InputError("no layer of the model has a name that adapter.mixtures or adapter.plain matches.")
    for name, module in meant.items():
        if not isinstance(module, nn.Linear):
            raise InputError(f"adapter.mixtures and adapter.plain must match linear layers only; {name!r} is none.")
    for network in flow.pipeline.components.values():
        if isinstance(network, nn.Module):
            network.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        flow.transformer.add_adapter(adapter, adapter_name=NAME)
    cast_training_params(flow.transformer)
    return {name: weight for name, weight in flow.transformer.named_parameters() if weight.requires_grad}
