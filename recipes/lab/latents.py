"""The training pictures as latents, encoded once, in shards that survive a kill."""

import json
from pathlib import Path

import numpy as np
import torch

from flowedit_grag.files import written

from .data import KINDS
from .loop import averaged
from .model import autoencoder
from .precision import bfloat16

SHARD = 2_000  # pictures in a file
BATCH = 50
PIXELS_PER_LATENT = 8
DIPTYCHS = 0.25  # for each single scene


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Encode the first ``steps`` training scenes and a quarter as many diptychs (rounded up to whole shards), then
    measure mean and deviation."""
    vae = autoencoder().to(device)
    vae.load_state_dict(averaged(folder, "vae_whole")["vae"])
    for kind, count in (("scenes", steps), ("diptychs", steps * DIPTYCHS)):
        for index in range(-int(-count // SHARD)):
            whole_shard(folder, kind, vae.eval(), index, device)
    sample = np.load(folder / "scenes-000.npz")["latents"].astype(np.float32)
    measured = {"shift_factor": float(sample.mean()), "scaling_factor": float(1 / sample.std())}
    (folder / "latents.json").write_text(json.dumps(measured))
    print(measured, flush=True)


def load(folder: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """All shards of a kind: scaled and shifted latents ``[N, 16, h, w]`` float16, and foreground ``[N, h, w]`` bool."""
    shards = [np.load(path) for path in sorted(folder.glob(f"{kind}-*.npz"))]
    return scaled(folder, shards), np.concatenate([shard["foreground"] for shard in shards])


def scaled(folder: Path, shards: list) -> np.ndarray:
    """The shards' latents, shifted and scaled as was measured."""
    measured = json.loads((folder / "latents.json").read_text())
    parts = (
        (shard["latents"].astype(np.float32) - measured["shift_factor"]) * measured["scaling_factor"]
        for shard in shards
    )
    return np.concatenate([part.astype(np.float16) for part in parts])


def unscaled(folder: Path, latents: torch.Tensor) -> torch.Tensor:
    """What :func:`scaled` was given, as the autoencoder decodes it."""
    measured = json.loads((folder / "latents.json").read_text())
    return latents / measured["scaling_factor"] + measured["shift_factor"]


@torch.no_grad()
def whole_shard(folder: Path, kind: str, vae, index: int, device: str) -> None:
    """Encode the pictures of one shard, unless that has been done."""
    path = folder / f"{kind}-{index:03d}.npz"
    if path.exists():
        return
    latents, masks = [], []
    for start in range(index * SHARD, (index + 1) * SHARD, BATCH):
        drawn = [KINDS[kind].drawn(number) for number in range(start, start + BATCH)]
        pixels = torch.from_numpy(np.stack([image for image, _ in drawn])).permute(0, 3, 1, 2)
        latents.append(encoded(vae, pixels.float() / 127.5 - 1, device))
        masks.append(np.stack([_on_latents(mask) for _, mask in drawn]))
    with written(path) as partial:
        np.savez(partial, latents=np.concatenate(latents), foreground=np.concatenate(masks))
    print(kind, index + 1, flush=True)


def encoded(vae, pixels: torch.Tensor, device: str) -> np.ndarray:
    """Means of the latents of ``pixels`` ``[B, 3, H, W]`` in -1..1, ``[B, 16, h, w]`` float16."""
    with bfloat16(device):
        return vae.encode(pixels.to(device)).latent_dist.mode().cpu().to(torch.float16).numpy()


def _on_latents(mask: np.ndarray) -> np.ndarray:
    height, width = (side // PIXELS_PER_LATENT for side in mask.shape)
    return mask.reshape(height, PIXELS_PER_LATENT, width, PIXELS_PER_LATENT).any(axis=(1, 3))
