"""Edits at the size of their source: of large pictures the model sees a smaller one."""

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from PIL import Image
from torch import Tensor

from .backbone.image_flow import ImageFlow
from .errors import unknown
from .methods.frame import Frame

Detail = Literal["original", "model"]
DETAILS = ("original", "model")
NEAR = 0.1  # of latents, whose standard deviation is 1: what can decode to the same picture


def check_detail(detail: Any) -> None:
    """Raise :class:`InputError` unless it is one of :data:`DETAILS`."""
    if detail not in DETAILS:
        raise unknown("detail", detail, DETAILS)


def finished(
    frame: Frame, flow: ImageFlow, rows: Tensor, latents: Tensor, original: Image.Image, detail: Detail
) -> tuple[list[Image.Image], dict[str, Any]]:
    """The edits ``rows`` ``[B, C, h, w]`` of ``latents`` at the size of ``original``, and how they were made.

    Where the model worked at a smaller size, ``detail="original"`` keeps the original's own pixels wherever the edit
    changed little; ``"model"`` shows what the model made, enlarged.
    """
    size = frame.size(flow, original.size)
    smaller = size[0] * size[1] < original.width * original.height
    source = cache(lambda: flow.decode(latents, size))
    images, kept, unchanged = [], [], []
    for index, row in enumerate(rows):
        edit, before = frame.pair(flow, row[None], size, source)
        image, share = frame.enlarged(edit, before, original, smaller and detail == "original")
        images.append(image)
        kept.append(round(share, 4))
        if (before is not source or (row - latents).abs().max() < NEAR) and frame.unchanged(edit, before()):
            unchanged.append(index)
    shares = kept if smaller or any(kept) else None  # of the picture that has the original's own detail
    return images, {"detail": {"asked": detail, "scaled_down": smaller, "kept": shares}, "unchanged": unchanged}


def say_unchanged(unchanged: Sequence[int], count: int, sweep: bool) -> None:
    """Warn where nothing was edited; of a sweep, whose weakest end may be the source, only where none of it was."""
    if len(unchanged) == count or (unchanged and not sweep):
        which = "" if count == 1 else f" of edits {', '.join(str(index + 1) for index in unchanged)}"
        warnings.warn(
            f"nothing was changed{which}: the picture shows what the source does; say more of what should "
            "change, or use a stronger setting (n_max, steps, guidance).", stacklevel=5,
        )  # fmt: skip
