"""Which experts tokens are sent to."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .config import NAME
from .layer import Mixture, MixtureLinear


@contextmanager
def recorded_usage(transformer: Any, name: str = NAME) -> Iterator[dict[str, Tensor]]:
    """Count inside the block how often each expert was among a token's ``top_k``: ``[experts]``, by module. Nothing
    stays installed after it."""
    counts: dict[str, Tensor] = {}
    hooks = []
    for module_name, module in transformer.named_modules():
        if isinstance(module, MixtureLinear) and isinstance(variant := module.lora_variant.get(name), Mixture):
            count = partial(_count, counts, module_name, variant)
            hooks.append(module.lora_route[name].register_forward_hook(count))
    try:
        yield counts
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _count(counts: dict[str, Tensor], module: str, variant: Mixture, router, inputs, logits: Tensor) -> None:
    chosen = logits.topk(variant.top_k, dim=-1).indices
    found = torch.bincount(chosen.flatten(), minlength=variant.experts).cpu()
    counts[module] = counts.get(module, torch.zeros_like(found)) + found
