"""The decoder alone, on the lab's own colours and the cached latents: sharper pictures from the same latents, so that
the transformer need not be trained again."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import latents as latent_stage
from .data import pictures
from .loop import Stage
from .vae import SCENES, WHOLE_BATCH, items, reconstruction_loss, trained, weighted

NOISE = 0.15  # sampled latents are never quite right


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from stage ``vae-whole``."""
    vae = trained(folder).to(device)
    data = latent_stage.cached(folder, "scenes")[:SCENES]
    stage = Stage("vae_decoder", folder, {"decoder": vae.decoder}, learning_rate=1e-3, decay=0.7, ema_decay=0.995)

    def loss_at(rng):
        numbers = rng.integers(SCENES, size=WHOLE_BATCH)
        image, weight = weighted(pictures(SCENES)[numbers], items(numbers))
        latents = torch.from_numpy(data[numbers].astype(np.float32))
        output = vae.decode((latents + NOISE * torch.randn(latents.shape)).to(device)).sample
        loss = reconstruction_loss(output, image.to(device), weight.to(device))
        return loss, {"mse": F.mse_loss(output, image.to(device))}

    stage.fit(loss_at, steps)
