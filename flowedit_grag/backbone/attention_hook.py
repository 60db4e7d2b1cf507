"""The one place where attention is changed: the joint (q, k, v) after norm and RoPE, right before the kernel.

A hook lives for one forward call: whatever becomes of an edit, nothing of it is left in the model.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor

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
    if strange := [layer for layer in layers if layer not in range(count)]:
        raise InputError(f"attention layer {strange[0]!r} does not exist: this model's layers are 0 to {count - 1}.")


@contextmanager
def hooked(layers: Mapping[str, Any], hooks: Hooks, processors: Mapping[Any, Any]) -> Iterator[None]:
    """Apply ``hooks`` inside the block, and leave the transformer exactly as it was.

    ``layers`` are its attention modules by name, in the order they run; ``processors`` has for each of diffusers'
    processors the class ``(hook, stock)`` that does the same and applies a hook.

    Raises :class:`InputError` for a layer that does not exist, or a processor that is not diffusers' own.
    """
    check_layers(hooks, len(layers))
    named = list(layers.items())
    with ExitStack() as undo:
        for index, hook in hooks.items():
            name, module = named[index]
            own: Any = module.processor
            if type(own) not in processors:
                raise InputError(f"editing would drop the {type(own).__name__} of {name}; unload it (an IP-Adapter?).")
            undo.callback(module.set_processor, own)
            module.set_processor(processors[type(own)](hook, own))
        yield
