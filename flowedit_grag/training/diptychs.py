"""From pairs to what the model is trained on: diptychs, what it sees of them, and their prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backbone.families.flux_fill import context_right_of
from ..backbone.families.flux_transformer import layout_of
from ..backbone.flow import Condition
from ..backbone.image import padded, resized
from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..methods.diptych_frame import diptych_prompt, side_by_side
from ..methods.icedit import ICEdit
from .data import Pair


@dataclass(frozen=True)
class Diptychs:
    """A batch of them."""

    latents: Tensor  # [B, C, h, 2w], source on the left and target on the right
    context: Tensor  # [B, tokens, C'], the source beside a masked panel
    condition: Condition  # B rows


@torch.no_grad()
def diptychs(flow: ImageFlow, method: ICEdit, pairs: Sequence[Pair], square: bool = False) -> Diptychs:
    """Encode ``pairs`` exactly as ``method`` encodes a source when it edits; but in ``square`` panels, if asked for.

    Both pictures of a pair have one shape. Raises :class:`InputError` for batches of several sizes.
    """
    encoded = [_encoded(flow, method, pair, square) for pair in pairs]
    if len({latents.shape for latents, _ in encoded}) > 1:
        sizes = ", ".join(f"{pair.name} ({pair.source.width}x{pair.source.height})" for pair in pairs)
        raise InputError(f"pictures of one batch need one shape: {sizes}; choose panel=square, or batch=1.")
    latents, context = (torch.cat(parts) for parts in zip(*encoded, strict=True))
    return Diptychs(latents, context, flow.condition([diptych_prompt(pair.instruction) for pair in pairs]))


def _encoded(flow: ImageFlow, method: ICEdit, pair: Pair, square: bool) -> tuple[Tensor, Tensor]:
    """Latents ``[1, C, h, 2w]`` and context ``[1, tokens, C']`` of one pair."""
    frame = method.frame()
    size = (method.width, method.width) if square else frame.size(flow, pair.source.size)
    source, target = resized(pair.source, size), resized(pair.target, size)
    whole = flow.encode(side_by_side(padded(source, flow.multiple), padded(target, flow.multiple)))
    return whole, context_right_of(flow, frame.encode(flow, source), layout_of(whole, 0).width // 2)
