"""Guidance distillation, as FLUX.1-dev's (arXiv:2210.03142): the guidance embedding learns to do what
classifier-free guidance does with two evaluations."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowedit_grag.backbone.families.flux_transformer import velocity_of
from flowedit_grag.backbone.flow import Condition

from .flux import GUIDANCE, Batches, optimizers, trained
from .loop import Stage
from .model import encode

BATCH = 24


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from stage ``flux``'s averaged weights, which are also the teacher. Text encoders stay as they are."""
    teacher, batches = trained(folder, device), Batches(folder, device, BATCH)
    transformer = deepcopy(teacher["transformer"]).train().requires_grad_(True)
    modules = {"transformer": transformer}
    stage = Stage("distil", folder, modules, learning_rate=4e-4, optimizers_for=optimizers, decay=0.7)

    def loss_at(rng: np.random.Generator):
        batch = batches.draw(rng)
        guidance = torch.from_numpy(rng.uniform(*GUIDANCE, len(batch.latents)).astype(np.float32)).to(device)
        with torch.no_grad():
            condition = encode(teacher, batch.captions, batch.length, device)
            wanted = guided(teacher, batch.noisy, batch.sigma, condition, guidance)
        return batch.loss(velocity_of(transformer, batch.noisy, batch.sigma, condition, guidance), wanted)

    stage.fit(loss_at, steps)


def guided(parts: dict, x: Tensor, sigma: Tensor, condition: Condition, scale: Tensor) -> Tensor:
    """Classifier-free guidance with a scale ``[B]`` for each row; rows without a caption stay as they are."""
    transformer, unguided = parts["transformer"], torch.ones_like(sigma)
    nothing = encode(parts, [""] * len(x), condition.embeds.shape[1], str(x.device))
    empty = velocity_of(transformer, x, sigma, nothing, unguided)
    return empty + scale.view(-1, 1, 1, 1) * (velocity_of(transformer, x, sigma, condition, unguided) - empty)
