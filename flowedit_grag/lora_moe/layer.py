"""A linear layer with a mixture of LoRA experts, as a variant of peft's."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners import lora
from peft.tuners.lora.layer import LoraVariant
from torch import Tensor, nn

from ..errors import InputError


@dataclass
class MixtureConfig(LoraConfig):
    """peft's own configuration with what a mixture adds."""

    experts: int = field(default=1)
    top_k: int = field(default=1)
    router: str = field(default="published")
    mixtures: str = field(default="")
    merged: bool = field(default=False)  # whether its plain parts are in the model's own weights by now


class MixtureLinear(lora.Linear):
    """peft's LoRA layer that turns into a mixture for the modules that a :class:`MixtureConfig` names.

    The experts lie stacked, ``lora_A`` ``[experts * rank, in]`` and ``lora_B`` ``[out, experts * rank]``, so that all
    of them are two matrix products, and the gate scales their rank-dimensional middle.
    """

    adapter_layer_names = (*lora.Linear.adapter_layer_names, "lora_route")

    def update_layer(self, adapter_name: str, r: int, lora_alpha: int, config, **kwargs) -> None:
        if not hasattr(self, "lora_route"):
            self.lora_route = nn.ModuleDict()
            self.module_name: str = kwargs.get("target_name", "")  # known only when the layer is made
        super().update_layer(adapter_name, r, lora_alpha=lora_alpha, config=config, **kwargs)

    def resolve_lora_variant(self, *, config, **kwargs) -> LoraVariant | None:
        if isinstance(config, MixtureConfig) and config.mixtures and re.fullmatch(config.mixtures, self.module_name):
            return Mixture(config.experts, config.top_k, config.router)
        return super().resolve_lora_variant(config=config, **kwargs)


class Mixture(LoraVariant):
    """The experts of one adapter in one layer."""

    def __init__(self, experts: int, top_k: int, router: str):
        self.experts, self.top_k, self.router = experts, top_k, router

    def supports_lora_conversion(self) -> bool:
        return False

    def init(self, module: Any, adapter_name: str, **kwargs) -> None:  # type: ignore[override]  # peft calls instances
        """Make the router, and widen the plain adapter that peft has just made to one a expert."""
        rank, a = module.r[adapter_name], module.lora_A[adapter_name]
        like = {"bias": False, "device": a.weight.device, "dtype": a.weight.dtype}
        wide = nn.Linear(module.in_features, self.experts * rank, **like)
        for part in wide.weight.data.chunk(self.experts):
            nn.init.kaiming_uniform_(part, a=math.sqrt(5))
        module.lora_A[adapter_name] = wide
        module.lora_B[adapter_name] = nn.Linear(self.experts * rank, module.out_features, **like)
        nn.init.zeros_(module.lora_B[adapter_name].weight)
        module.lora_route[adapter_name] = nn.Linear(module.in_features, self.experts, **like)

    def forward(  # type: ignore[override]  # as above
        self, module: Any, active_adapter: str, x: Tensor, result: Tensor, **kwargs
    ) -> Tensor:
        weights = gate(module.lora_route[active_adapter](x), self.top_k, self.router).to(x.dtype)
        middle = module.lora_A[active_adapter](module.lora_dropout[active_adapter](x))
        gated = middle.unflatten(-1, (self.experts, -1)) * weights[..., None]
        return result + module.lora_B[active_adapter](gated.flatten(-2)) * module.scaling[active_adapter]

    def merge_safe(self, module, active_adapter, orig_weight):  # type: ignore[override]  # as above
        raise InputError(f"{module.module_name} is a mixture, which depends on its input and cannot be merged.")

    merge_unsafe = unmerge = merge_safe


def gate(logits: Tensor, top_k: int, router: str) -> Tensor:
    """Weights of the experts ``[..., experts]`` in float32; all but the ``top_k`` largest are 0 (paper, eq. 2)."""
    logits = logits.float()
    best, chosen = logits.topk(top_k, dim=-1)
    kept = best.softmax(dim=-1) if router == "published" else logits.softmax(dim=-1).gather(-1, chosen)
    return torch.zeros_like(logits).scatter(-1, chosen, kept)
