"""The autoencoder: random crops, mostly around items, for speed; then whole pictures, since group norm sees
other statistics there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_dilation
from torch import Tensor

from .data import foreground, pictures, scene_at
from .latents import SHARD
from .loop import Stage, averaged
from .model import AutoencoderKL, autoencoder

SCENES, CROP = 8_000, 64
CROP_BATCH, WHOLE_BATCH = 16, 6
LATENT_STD = 0.3  # of the posterior, fixed: small errors of the transformer must not show
KL_WEIGHT = 5e-3  # holds the latents' deviation near 1
FOREGROUND_WEIGHT = 4.0  # on whole pictures, where items are a small part
FOREGROUND_MARGIN = 3  # pixels
DECODER_NOISE = 0.15  # sampled latents are never quite right
RECOLORED = 0.3  # part of the pictures with permuted colour channels: without them, rare colours are never learned


def crops(rng: np.random.Generator) -> Tensor:
    """A batch ``[CROP_BATCH, 3, CROP, CROP]`` in -1..1."""
    images, out = pictures(SCENES), []
    for index in rng.integers(SCENES, size=CROP_BATCH):
        image, items = images[index], scene_at(int(index)).items
        limit = image.shape[0] - CROP
        left, top = rng.integers(limit + 1, size=2)
        if items and rng.random() < 0.8:
            center = np.array(items[rng.integers(len(items))].center) * image.shape[0]
            left, top = np.clip(center - CROP / 2 + rng.uniform(-20, 20, 2), 0, limit).astype(int)
        out.append(image[top : top + CROP, left : left + CROP])
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2).float() / 127.5 - 1


def whole(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Whole pictures ``[WHOLE_BATCH, 3, H, W]`` in -1..1, and weights ``[WHOLE_BATCH, 1, H, W]``."""
    numbers = rng.integers(SCENES, size=WHOLE_BATCH)
    return weighted(np.stack([_recolored(image, rng) for image in pictures(SCENES)[numbers]]), _items(numbers))


def weighted(images: np.ndarray, masks: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Pictures ``[B, H, W, 3]`` as a batch in -1..1, and weights that favour items, of which ``[H, W]`` bool are."""
    near = np.stack([binary_dilation(mask, iterations=FOREGROUND_MARGIN) for mask in masks])
    weight = 1 + (FOREGROUND_WEIGHT - 1) * torch.from_numpy(near).float()[:, None]
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1, weight / weight.mean()


def _items(numbers: np.ndarray) -> list[np.ndarray]:
    return [foreground(scene_at(int(number))) for number in numbers]


def _recolored(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image[..., rng.permutation(3)] if rng.random() < RECOLORED else image


def reconstruction_loss(output: Tensor, image: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Absolute and squared error of pixels, and absolute error of their differences: squared error alone blurs the
    corners of stars."""
    edges = sum((d(output) - d(image)).abs().mean() for d in (_dx, _dy))
    return (weight * ((output - image).abs() + (output - image) ** 2)).mean() + edges


def _dx(x: Tensor) -> Tensor:
    return x[..., 1:] - x[..., :-1]


def _dy(x: Tensor) -> Tensor:
    return x[..., 1:, :] - x[..., :-1, :]


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Train on crops."""
    torch.manual_seed(0)
    vae = autoencoder().to(device)
    stage = Stage("vae", folder, {"vae": vae}, learning_rate=1.5e-3)
    stage.fit(lambda rng: _loss(vae, crops(rng).to(device)), steps)


def train_whole(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from the crops' averaged weights, on whole pictures."""
    vae = autoencoder().to(device)
    vae.load_state_dict(averaged(folder, "vae")["vae"])
    stage = Stage("vae_whole", folder, {"vae": vae}, learning_rate=1e-3, decay=0.6, ema_decay=0.995)

    def loss_at(rng):
        image, weight = whole(rng)
        return _loss(vae, image.to(device), weight.to(device))

    stage.fit(loss_at, steps)


def train_decoder(folder: Path, steps: int, device: str = "cpu") -> None:
    """The decoder alone, on the lab's own colours and the cached latents: sharper pictures from the same latents, so
    that the transformer need not be trained again."""
    vae = trained(folder).to(device)
    data = np.concatenate([np.load(path)["latents"] for path in sorted(folder.glob("scenes-*.npz"))][: SCENES // SHARD])
    stage = Stage("vae_decoder", folder, {"decoder": vae.decoder}, learning_rate=1e-3, decay=0.7, ema_decay=0.995)

    def loss_at(rng):
        numbers = rng.integers(SCENES, size=WHOLE_BATCH)
        image, weight = weighted(pictures(SCENES)[numbers], _items(numbers))
        latents = torch.from_numpy(data[numbers].astype(np.float32))
        output = vae.decode((latents + DECODER_NOISE * torch.randn(latents.shape)).to(device)).sample
        loss = reconstruction_loss(output, image.to(device), weight.to(device))
        return loss, {"mse": F.mse_loss(output, image.to(device))}

    stage.fit(loss_at, steps)


def trained_encoder(folder: Path) -> AutoencoderKL:
    """The autoencoder that latents are encoded with: its decoder may be trained on afterwards."""
    vae = autoencoder()
    vae.load_state_dict(averaged(folder, "vae_whole")["vae"])
    return vae


def trained(folder: Path) -> AutoencoderKL:
    """The autoencoder as far as it has been trained."""
    vae = trained_encoder(folder)
    if (folder / "vae_decoder.pt").exists():
        vae.decoder.load_state_dict(averaged(folder, "vae_decoder")["decoder"])
    return vae


def _loss(vae, image: Tensor, weight: Tensor | float = 1.0) -> tuple[Tensor, dict]:
    mean = vae.encode(image).latent_dist.mean
    output = vae.decode(mean + LATENT_STD * torch.randn_like(mean)).sample
    spread = (mean**2).mean()
    loss = reconstruction_loss(output, image, weight) + KL_WEIGHT * spread / 2
    return loss, {"mse": F.mse_loss(output, image), "spread": spread}
