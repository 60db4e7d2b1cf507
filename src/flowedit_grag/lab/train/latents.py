"""Stage 2: the training scenes as latents, encoded once, in shards that survive a kill."""

import json
from pathlib import Path

import numpy as np
import torch

from ...files import written
from ..model import autoencoder
from ..world import IMAGE_SIZE
from .data import foreground, picture, scene_at
from .loop import averaged

SHARD = 2_000  # scenes in a file
BATCH = 50
PIXELS_PER_LATENT = 8


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Encode the first ``steps`` training scenes (rounded up to whole shards), then measure mean and deviation."""
    vae = autoencoder().to(device)
    vae.load_state_dict(averaged(folder, "vae_whole")["vae"])
    shards = [_shard(folder, vae.eval(), index, device) for index in range(-(-steps // SHARD))]
    sample = np.load(shards[0])["latents"].astype(np.float32)
    measured = {"shift_factor": float(sample.mean()), "scaling_factor": float(1 / sample.std())}
    (folder / "latents.json").write_text(json.dumps(measured))
    print(measured, flush=True)


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All shards: scaled and shifted latents ``[N, 16, h, w]`` float16, and foreground ``[N, h, w]`` bool."""
    measured = json.loads((folder / "latents.json").read_text())
    count = len(list(folder.glob("latents-*.npz")))
    shards = [np.load(folder / f"latents-{index:03d}.npz") for index in range(count)]
    latents = np.concatenate(
        [
            ((shard["latents"].astype(np.float32) - measured["shift_factor"]) * measured["scaling_factor"]).astype(
                np.float16
            )
            for shard in shards
        ]
    )
    return latents, np.concatenate([shard["foreground"] for shard in shards])


@torch.no_grad()
def _shard(folder: Path, vae, index: int, device: str) -> Path:
    path = folder / f"latents-{index:03d}.npz"
    if path.exists():
        return path
    latents, masks = [], []
    for start in range(index * SHARD, (index + 1) * SHARD, BATCH):
        numbers = range(start, start + BATCH)
        pixels = torch.from_numpy(np.stack([picture(number) for number in numbers])).permute(0, 3, 1, 2)
        mean = vae.encode((pixels.float() / 127.5 - 1).to(device)).latent_dist.mode()
        latents.append(mean.cpu().numpy().astype(np.float16))
        masks.append(np.stack([_latent_foreground(number) for number in numbers]))
    with written(path) as partial:
        np.savez(partial, latents=np.concatenate(latents), foreground=np.concatenate(masks))
    print(f"latents {index + 1}", flush=True)
    return path


def _latent_foreground(number: int) -> np.ndarray:
    mask, cells = foreground(scene_at(number), (IMAGE_SIZE, IMAGE_SIZE)), IMAGE_SIZE // PIXELS_PER_LATENT
    return mask.reshape(cells, PIXELS_PER_LATENT, cells, PIXELS_PER_LATENT).any(axis=(1, 3))
