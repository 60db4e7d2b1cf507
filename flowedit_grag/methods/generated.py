"""Edits of a generated image, in batches that fit into memory."""

from dataclasses import replace

import torch

from ..backbone.flow import Condition
from .base import Method
from .inputs import Source, Steps, subprogress


def generated(method: Method, source: Source, target: Condition) -> Steps:
    """What ``method.generate`` makes, ``[1 + targets, C, h, w]``, the source first.

    Every batch has the source beside its targets. ``source`` has the noise, and latents that only tell the size.
    """
    targets, generate = method.targets(target), getattr(method, "generate")  # noqa: B009 (not every method has one)
    start, size, rows = next(source.noise), method.targets_at_once(source), []
    batches = [targets[first : first + size] for first in range(0, len(targets), size)]
    for index, batch in enumerate(batches):
        steps = generate(replace(source, noise=iter([start])), batch)
        rows.append((yield from subprogress(steps, index, len(batches))))
    return torch.cat([rows[0][:1], *(made[1:] for made in rows)])
