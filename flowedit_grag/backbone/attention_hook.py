"""The one place where attention is changed: the joint (q, k, v) after norm and RoPE, right before the kernel.

A hook lives for one forward call: ``flow.velocity(condition, guidance, hooks=...)`` installs, calls and removes.
Whatever becomes of an edit (cancelled, failed, suspended), nothing of it is left in the model.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ..errors import InputError

# (q, k, v) -> (q, k, v), each [batch, text + image tokens, heads, head_dim]
AttentionHook = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
Hooks = Mapping[int, AttentionHook]  # by layer
HooksAt = Hooks | Callable[[float], Hooks]  # the same at every sigma, or not


def compose(*hooks: AttentionHook) -> AttentionHook:
    """One hook that applies several, first to last."""

    def apply(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for hook in hooks:
            q, k, v = hook(q, k, v)
        return q, k, v

    return apply if len(hooks) != 1 else hooks[0]


def check_layers(layers: Iterable[Any], count: int) -> None:
    """Raise :class:`InputError` unless each of ``layers`` names one of ``count`` attention layers."""
    for layer in layers:
        if not (isinstance(layer, int) and 0 <= layer < count):
            raise InputError(f"attention layer {layer!r} does not exist: this model's layers are 0 to {count - 1}.")


@contextmanager
def hooked(
    transformer: nn.Module, layers: Mapping[str, Any], hooks: Hooks, processors: Mapping[Any, Any]
) -> Iterator[None]:
    """Apply ``hooks`` inside the block, and leave the transformer exactly as it was.

    Args:
        layers: its attention modules by name, in the order they run.
        processors: for each of diffusers' processors the class ``(hook, stock)`` that does the same and applies a hook.

    Raises :class:`InputError` for a layer that does not exist, a processor that is not diffusers' own, or while a step
    cache is on (it would skip hooked calls).
    """
    check_layers(hooks, len(layers))
    if hooks and getattr(transformer, "is_cache_enabled", False):
        raise InputError("a step cache would skip the attention hooks; call disable_cache() on the transformer first.")
    named = list(layers.items())
    stock: list[tuple[Any, Any]] = []
    try:
        for index, hook in hooks.items():
            name, module = named[index]
            own: Any = module.processor
            if type(own) not in processors:
                kind = type(own).__name__
                raise InputError(f"{name} has a {kind}, which editing would drop; unload it (an IP-Adapter?) first.")
            stock.append((module, own))
            module.set_processor(processors[type(own)](hook, own))
        yield
    finally:
        for module, own in stock:
            module.set_processor(own)
