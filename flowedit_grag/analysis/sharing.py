"""What of a source arrives in edits that share its keys and values, and what of the edits stays. No truth is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..backbone.flow import Condition
from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..seeds import generator

DELTAS = (1.0, 0.5)  # of GRAG on the shared keys: as they are, and with the dial turned towards the edit
DISAGREE = 1 / 3  # of the latents' spread: where the prompts' pictures differ by so much, nothing of the source is due


@dataclass(frozen=True)
class Sharing:
    """What comes of sharing in ``layers``: means over trials, for each of :data:`DELTAS`.

    ``carried``: how much nearer pictures come to the source where the prompts agree; 1 is all the way, below 0 they
    depart further than with nothing shared. ``survived``: how much of the edit is still made where they disagree.
    ``score``: what is carried at rest times what survives at both deltas, of each trial; less what falls apart where
    the dial is turned down (a mean ``carried`` below 0).
    """

    layers: tuple[int, ...]
    carried: tuple[float, ...]
    survived: tuple[float, ...]
    score: float


def compared(
    layers: tuple[int, ...], shared: Sequence[Tensor], plain: Sequence[Tensor], inside: Sequence[Tensor]
) -> Sharing:
    """What edits that share carry and keep, by what each changes of its source, ``[deltas, C, h, w]``, over those that
    share nothing, ``[1, C, h, w]``."""
    carried, survived = [], []
    for change, whole, where in zip(shared, plain, inside, strict=True):
        free, asked = ((1 - where) * whole.abs()).sum(), (where * whole**2).sum()
        if not (free > 0 and asked > 0):
            raise InputError("the prompts of a pair make no difference to this model; give other pairs.")
        carried.append(1 - ((1 - where) * change.abs()).sum(dim=(1, 2, 3)) / free)
        survived.append((where * change * whole).sum(dim=(1, 2, 3)) / asked)
    near, kept = torch.stack(carried).clamp(-1, 1), torch.stack(survived).clamp(0, 1)  # [trials, deltas]
    score = (near[:, 0] * kept.prod(dim=1)).mean() + near.mean(dim=0).min().clamp(max=0)
    return Sharing(layers, tuple(near.mean(dim=0).tolist()), tuple(kept.mean(dim=0).tolist()), float(score))


def disagreement(flow: ImageFlow, conditions: Condition, latents: Tensor, steps: int, guidance: float) -> Tensor:
    """Where two prompts want different pictures, from 0 (they agree) to 1, ``[h, w]``: the change that FlowEdit makes
    of ``latents`` to first order, with one noise at all levels (arXiv:2412.08629)."""
    noise = torch.randn(latents.shape, generator=generator(0), dtype=torch.float32).to(latents)
    v, change = flow.velocity(conditions, guidance), torch.zeros_like(latents[0])
    for s0, s1 in pairwise(flow.schedule(steps, latents)):
        of_source, of_target = v(((1 - s0) * latents + s0 * noise).expand(2, -1, -1, -1), s0)
        change = change + (s1 - s0) * (of_target - of_source)
    return (change.abs().mean(dim=0) / (DISAGREE * latents.std())).clamp(max=1) ** 2
