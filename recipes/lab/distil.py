"""Guidance distillation, as FLUX.1-dev's (arXiv:2210.03142): the guidance embedding learns to do what
classifier-free guidance does with two evaluations."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import model
from .encoding import encode
from .flux import GUIDANCE, Batches, optimizers, velocity
from .loop import Stage, averaged

BATCH = 24


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from stage ``flux``'s averaged weights, which are also the teacher. Text encoders stay as they are."""
    teacher, student = _trained(folder, device), _trained(folder, device)
    transformer = student["transformer"].train()
    stage = Stage(
        "distil", folder, {"transformer": transformer}, learning_rate=4e-4, optimizers_for=optimizers, decay=0.7
    )
    batches = Batches(folder, device, BATCH)

    def loss_at(rng: np.random.Generator):
        batch = batches.draw(rng)
        guidance = torch.from_numpy(rng.uniform(*GUIDANCE, len(batch.latents)).astype(np.float32)).to(device)
        with torch.no_grad():
            embeds, pooled = encode(teacher, batch.captions, batch.length, device)
            wanted = guided(teacher, batch.noisy, batch.sigma, embeds, pooled, guidance)
        v = velocity(transformer, batch.noisy, batch.sigma, embeds, pooled, guidance)
        return batch.loss(v, wanted)

    stage.fit(loss_at, steps)


def guided(parts: dict, x: Tensor, sigma: Tensor, embeds: Tensor, pooled: Tensor, scale: Tensor) -> Tensor:
    """Classifier-free guidance with a scale ``[B]`` for each row; rows without a caption stay as they are."""
    transformer, count, rest = parts["transformer"], len(x), torch.ones_like(sigma)
    nothing, pooled_nothing = encode(parts, [""], embeds.shape[1], str(x.device))
    empty = velocity(transformer, x, sigma, nothing.expand(count, -1, -1), pooled_nothing.expand(count, -1), rest)
    v = velocity(transformer, x, sigma, embeds, pooled, rest)
    return empty + scale.view(-1, 1, 1, 1) * (v - empty)


def _trained(folder: Path, device: str) -> dict:
    parts = model.components()
    weights = averaged(folder, "flux")
    for name in ("transformer", "text_encoder", "text_encoder_2"):
        parts[name].load_state_dict(weights[name])
        parts[name].to(device).eval().requires_grad_(False)
    parts["transformer"].requires_grad_(True)
    return parts
