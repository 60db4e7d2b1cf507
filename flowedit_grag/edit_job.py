"""One picture and what is asked of it; and edits of it by several methods, which share what they can."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .backbone.flow import Condition
from .backbone.image import ImageLike
from .backbone.image_flow import ImageFlow
from .detail import Detail
from .methods import METHODS, Method
from .methods.frame import EditRequest
from .methods.inputs import Source, Steps, subprogress
from .methods.resolve import turned_by
from .options import option_names
from .progress import OnProgress
from .seeds import generator

FEW_STEPS = 8  # of a sweep that is only to show how far a picture changes


@dataclass(frozen=True)
class EditJob:
    """What :meth:`Editor.edit` and :meth:`Editor.sweep` are asked for, whatever they edit with."""

    image: ImageLike
    request: EditRequest
    seed: int = 0
    detail: Detail = "original"
    on_progress: OnProgress | None = None


def by_each(
    methods: Sequence[Method], flow: ImageFlow, latents: Tensor, *, source: Condition, target: Condition, seed: int,
    prepare: Callable[[Source], Steps] | None,
) -> Steps:  # fmt: skip
    """Every ``target`` by the only method, or the only one by each of ``methods``: in one batch where these differ in
    nothing but their control, else in turn, with the same noise."""
    first = methods[0]
    told: dict[str, Any] = {"source": source, "prepare": prepare}
    if len(methods) == 1:
        return (yield from first.iterate(flow, latents, target=target, noise=generator(seed), **told))
    if all(replace(one, control=first.control) == first for one in methods):
        rows, controls = target[[0] * len(methods)], [one.control for one in methods]
        return (yield from first.iterate(flow, latents, target=rows, noise=generator(seed), grag=controls, **told))
    edits = []
    for index, one in enumerate(methods):
        steps = one.iterate(flow, latents, target=target, noise=generator(seed), **told)
        edits.append((yield from subprogress(steps, index, len(methods))))
    return torch.cat(edits)


def say_beyond(methods: Sequence[Method], flow: ImageFlow) -> None:
    """Warn of what is turned beyond the range in which the model's pictures are known to stay whole."""
    if (name := METHODS.name_of(type(methods[0]))) not in flow.profile.strengths:
        return
    found = turned_by(methods[0], flow)
    low, high = min(found.values), max(found.values)
    reached = (found.reached_by(one) for one in methods)
    if beyond := [value for value in reached if value is not None and not low - 1e-6 <= value <= high + 1e-6]:
        warnings.warn(
            f"{found.option} {beyond[0]:g} is beyond the useful range of {name} on this model, {low:g} to {high:g}; "
            "pictures may break there.", stacklevel=5,
        )  # fmt: skip


def in_few_steps(method: Method) -> Method:
    """A quick method of the same kind: its numbers of steps, scaled down alike."""
    whole = getattr(method, "steps", 0)
    names = [name for name in ("steps", "n_max", "n_min") if name in option_names(type(method))]
    fewer: dict[str, Any] = {name: math.ceil(getattr(method, name) * FEW_STEPS / whole) for name in names if whole}
    return replace(method, **fewer) if whole > FEW_STEPS else method
