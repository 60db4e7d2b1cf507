"""Plain LoRA parts folded into the weights they adapt; mixtures stay, as they depend on their input."""

from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from ..errors import InputError
from .config import NAME
from .layer import Mixture

WHOLE = (torch.float64, torch.float32, torch.bfloat16, torch.float16)  # weights that are not quantised


def merge_plain(transformer: Any, name: str = NAME) -> int:
    """Fold the plain parts of adapter ``name`` into their layers and take them out; returns how many.

    Raises :class:`InputError` where a layer's weights are quantised: rounding them again would change the model. Then
    nothing is merged.
    """
    plain = {
        module_name: module
        for module_name, module in transformer.named_modules()
        if isinstance(module, LoraLayer) and name in module.lora_A
        if not isinstance(module.lora_variant.get(name), Mixture)
    }
    for module_name, module in plain.items():
        weight = module.get_base_layer().weight
        if type(weight) is not nn.Parameter or weight.dtype not in WHOLE:  # some quantised ones say another dtype
            raise InputError(f"{module_name} is quantised; an adapter cannot be merged into it.")
    for module_name, module in plain.items():
        active = [other for other in module.active_adapters if other != name]
        module.merge(safe_merge=True, adapter_names=[name])
        module.merged_adapters.remove(name)
        module.delete_adapter(name)
        if not module.lora_A:
            transformer.set_submodule(module_name, module.get_base_layer())
        else:
            module.set_adapter(active)  # peft would activate another in its place
    if not any(isinstance(module, LoraLayer) and name in module.lora_A for module in transformer.modules()):
        transformer.peft_config.pop(name, None)
    elif plain:
        transformer.peft_config[name].merged = True
    return len(plain)
