"""The autoencoder: random crops, mostly around items, for speed; then whole pictures, since group norm sees
other statistics there."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_dilation
from torch import Tensor

from .data import drawn, picture, pixels, scene_at
from .loop import Stage, restore
from .model import autoencoder

SCENES, CROP = 8_000, 64
CROP_BATCH, WHOLE_BATCH = 16, 6
LATENT_STD = 0.3  # of the posterior, fixed: small errors of the transformer must not show
KL_WEIGHT = 5e-3  # holds the latents' deviation near 1
FOREGROUND_WEIGHT = 4.0  # on whole pictures, where items are a small part
FOREGROUND_MARGIN = 3  # pixels
RECOLORED = 0.3  # part of the pictures with permuted colour channels: without them, rare colours are never learned


def crops(rng: np.random.Generator) -> Tensor:
    """A batch ``[CROP_BATCH, 3, CROP, CROP]`` in -1..1."""
    out = []
    for index in rng.integers(SCENES, size=CROP_BATCH):
        image, shown = picture("scenes", int(index)), scene_at(int(index)).items
        limit = image.shape[0] - CROP
        left, top = rng.integers(limit + 1, size=2)
        if shown and rng.random() < 0.8:
            center = np.array(shown[rng.integers(len(shown))].center) * image.shape[0]
            left, top = np.clip(center - CROP / 2 + rng.uniform(-20, 20, 2), 0, limit).astype(int)
        out.append(image[top : top + CROP, left : left + CROP])
    return pixels(np.stack(out))


def whole(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Whole pictures ``[WHOLE_BATCH, 3, H, W]`` in -1..1, and weights ``[WHOLE_BATCH, 1, H, W]``."""
    images, masks = drawn("scenes", rng.integers(SCENES, size=WHOLE_BATCH))
    recolored = [image[..., rng.permutation(3)] if rng.random() < RECOLORED else image for image in images]
    return weighted(np.stack(recolored), masks)


def weighted(images: np.ndarray, masks: np.ndarray) -> tuple[Tensor, Tensor]:
    """Pictures ``[B, H, W, 3]`` as a batch in -1..1, and weights that favour items, which are at ``masks``
    ``[B, H, W]``."""
    near = np.stack([binary_dilation(mask, iterations=FOREGROUND_MARGIN) for mask in masks])
    weight = 1 + (FOREGROUND_WEIGHT - 1) * torch.from_numpy(near).float()[:, None]
    return pixels(images), weight / weight.mean()


def reconstruction_loss(output: Tensor, image: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Absolute and squared error of pixels, and absolute error of their differences: squared error alone blurs the
    corners of stars."""
    edges = sum((output.diff(dim=side) - image.diff(dim=side)).abs().mean() for side in (-1, -2))
    return (weight * ((output - image).abs() + (output - image) ** 2)).mean() + edges


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Train on crops."""
    torch.manual_seed(0)
    vae = autoencoder().to(device)
    stage = Stage("vae", folder, {"vae": vae}, learning_rate=1.5e-3)
    stage.fit(lambda rng: _loss(vae, crops(rng).to(device)), steps)


def train_whole(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from the crops' averaged weights, on whole pictures."""
    vae = autoencoder().to(device)
    restore(folder, "vae", vae=vae)
    stage = Stage("vae_whole", folder, {"vae": vae}, learning_rate=1e-3, decay=0.6, ema_decay=0.995)
    stage.fit(lambda rng: _loss(vae, *(part.to(device) for part in whole(rng))), steps)


def trained(folder: Path) -> Any:
    """The autoencoder as far as it has been trained."""
    vae = autoencoder()
    restore(folder, "vae_whole", vae=vae)
    if (folder / "vae_decoder.pt").exists():
        restore(folder, "vae_decoder", decoder=vae.decoder)
    return vae


def _loss(vae, image: Tensor, weight: Tensor | float = 1.0) -> tuple[Tensor, dict]:
    mean = vae.encode(image).latent_dist.mean
    output = vae.decode(mean + LATENT_STD * torch.randn_like(mean)).sample
    spread = (mean**2).mean()
    loss = reconstruction_loss(output, image, weight) + KL_WEIGHT * spread / 2
    return loss, {"mse": F.mse_loss(output, image), "spread": spread}
