"""Floating-point operations and activation memory of one transformer call, counted without computing it."""

import weakref
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that are made inside the block and still referenced; ``peak`` is their maximum."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given = {id(x.untyped_storage()) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        for storage in (x.untyped_storage() for x in tree_leaves(out) if isinstance(x, Tensor)):
            if id(storage) not in given | self._seen:
                self._seen.add(id(storage))
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._freed, id(storage), storage.nbytes())
        return out

    def _freed(self, name: int, count: int) -> None:
        self._seen.discard(name)
        self.now -= count


class FusedAttention(TorchFunctionMode):
    """Attention as a fused kernel sees it: no tensor of scores. (On the meta device PyTorch takes its unfused path.)"""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.scaled_dot_product_attention:
            query = args[0] if args else (kwargs or {})["query"]
            return torch.empty_like(query)
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def forward_flops(transformer, call: dict[str, Any]) -> int:
    """Floating-point operations of ``transformer(**call)``; a multiplication with its addition counts as two."""
    with FlopCounterMode(display=False) as counter:
        transformer(**call)
    return counter.get_total_flops()


@torch.no_grad()
def activation_bytes(transformer, call: dict[str, Any]) -> int:
    """Peak bytes of all tensors that ``transformer(**call)`` makes, weights and inputs not counted."""
    with FusedAttention(), LiveBytes() as live:
        transformer(**call)
    return live.peak
