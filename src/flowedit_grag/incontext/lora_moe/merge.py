"""Plain LoRA parts folded into the weights they adapt; mixtures stay, as they depend on their input."""

from typing import Any

from peft.tuners.lora import LoraLayer
from torch import nn

from ...errors import InputError
from .layer import Mixture


def merge_plain(transformer: Any, name: str = "adapter") -> int:
    """Fold the plain parts of adapter ``name`` into their layers and take them out; returns how many.

    Raises :class:`InputError` where a layer's weights are quantised: rounding them again would change the model.
    """
    merged = 0
    for module_name, module in list(transformer.named_modules()):
        if not isinstance(module, LoraLayer) or name not in module.lora_A:
            continue
        if isinstance(module.lora_variant.get(name), Mixture):
            continue
        base = module.get_base_layer()
        if not base.weight.is_floating_point():
            raise InputError(f"{module_name} is quantised; an adapter cannot be merged into it.")
        module.merge(safe_merge=True, adapter_names=[name])
        module.merged_adapters.remove(name)
        module.delete_adapter(name)
        if not module.lora_A:
            _replace(transformer, module_name, base)
        merged += 1
    return merged


def _replace(transformer: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(transformer.get_submodule(parent), attribute, layer)
