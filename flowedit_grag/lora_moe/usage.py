"""Which experts tokens are sent to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .config import NAME
from .layer import Mixture, MixtureLinear


@dataclass
class Usage:
    """``counts[module]`` ``[experts]``: how often each expert was among a token's ``top_k``."""

    counts: dict[str, Tensor] = field(default_factory=dict)

    def shares(self) -> dict[str, list[float]]:
        """The counts as parts of their sum."""
        return {name: (count / count.sum()).tolist() for name, count in self.counts.items()}


@contextmanager
def recorded_usage(transformer: Any, name: str = NAME) -> Iterator[Usage]:
    """Count inside the block; nothing stays installed after it."""
    usage, hooks = Usage(), []
    for module_name, module in transformer.named_modules():
        if isinstance(module, MixtureLinear) and isinstance(variant := module.lora_variant.get(name), Mixture):
            hooks.append(module.lora_route[name].register_forward_hook(_counter(usage, module_name, variant)))
    try:
        yield usage
    finally:
        for hook in hooks:
            hook.remove()


def _counter(usage: Usage, module_name: str, variant: Mixture):
    @torch.no_grad()
    def count(router, inputs, logits: Tensor) -> None:
        chosen = logits.topk(variant.top_k, dim=-1).indices
        found = torch.bincount(chosen.flatten(), minlength=variant.experts).cpu()
        usage.counts[module_name] = usage.counts.get(module_name, torch.zeros_like(found)) + found

    return count
