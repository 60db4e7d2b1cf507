"""The training pictures as latents, encoded once, in shards that survive a kill."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowedit_grag.files import written

from .data import KINDS, pixels
from .precision import bfloat16
from .vae import trained_encoder

SHARD = 2_000  # pictures in a file
BATCH = 50
PIXELS_PER_LATENT = 8
DIPTYCHS = 0.25  # for each single scene


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Encode the first ``steps`` training scenes and a quarter as many diptychs (rounded up to whole shards), then
    measure mean and deviation."""
    vae = trained_encoder(folder).to(device).eval()
    for kind, count in (("scenes", steps), ("diptychs", steps * DIPTYCHS)):
        for index in range(-int(-count // SHARD)):
            whole_shard(folder, kind, vae, index, device)
    sample = np.load(folder / "scenes-000.npz")["latents"].astype(np.float32)
    measured = {"shift_factor": float(sample.mean()), "scaling_factor": float(1 / sample.std())}
    (folder / "latents.json").write_text(json.dumps(measured))
    print(measured, flush=True)


def load(folder: Path, kind: str, name: str = "foreground") -> tuple[np.ndarray, np.ndarray]:
    """All shards of a kind: scaled and shifted latents ``[N, 16, h, w]`` float16, and what ``name`` is there, by
    default the foreground ``[N, h, w]`` bool."""
    measured = json.loads((folder / "latents.json").read_text())
    shards = [np.load(path) for path in _shards(folder, kind)]
    latents = (
        (shard["latents"].astype(np.float32) - measured["shift_factor"]) * measured["scaling_factor"]
        for shard in shards
    )
    return np.concatenate([x.astype(np.float16) for x in latents]), np.concatenate([shard[name] for shard in shards])


def cached(folder: Path, kind: str) -> np.ndarray:
    """All shards' latents as the autoencoder decodes them, ``[N, 16, h, w]`` float16."""
    return np.concatenate([np.load(path)["latents"] for path in _shards(folder, kind)])


def unscaled(folder: Path, latents: Tensor) -> Tensor:
    """Scaled and shifted latents as the autoencoder decodes them."""
    measured = json.loads((folder / "latents.json").read_text())
    return latents / measured["scaling_factor"] + measured["shift_factor"]


def whole_shard(folder: Path, kind: str, vae, index: int, device: str) -> None:
    """Encode the pictures of one shard, with their foreground, unless that has been done."""
    encode_shard(folder / f"{kind}-{index:03d}.npz", index, vae, device, "foreground", partial(_whole, kind))


@torch.no_grad()
def encode_shard(
    path: Path, index: int, vae, device: str, name: str, batch: Callable[[range], tuple[Tensor, np.ndarray]]
) -> None:
    """Write a shard unless it is there: of each ``batch`` of picture numbers, which gives pixels ``[B, 3, H, W]`` in
    -1..1 and an array, the means of the latents ``[B, 16, h, w]`` float16, and the array as ``name``."""
    if path.exists():
        return
    latents, arrays = [], []
    for start in range(index * SHARD, (index + 1) * SHARD, BATCH):
        images, array = batch(range(start, start + BATCH))
        with bfloat16(device):
            latents.append(vae.encode(images.to(device)).latent_dist.mode().cpu().to(torch.float16).numpy())
        arrays.append(array)
    with written(path) as partial_file:
        np.savez(partial_file, **{"latents": np.concatenate(latents), name: np.concatenate(arrays)})  # type: ignore[arg-type]  # numpy reads an array as its option allow_pickle
    print(path.stem, flush=True)


def _whole(kind: str, numbers: range) -> tuple[Tensor, np.ndarray]:
    images, masks = zip(*map(KINDS[kind].drawn, numbers), strict=True)
    return pixels(np.stack(images)), np.stack([_on_latents(mask) for mask in masks])


def _on_latents(mask: np.ndarray) -> np.ndarray:
    height, width = (side // PIXELS_PER_LATENT for side in mask.shape)
    return np.any(mask.reshape(height, PIXELS_PER_LATENT, width, PIXELS_PER_LATENT), axis=(1, 3))


def _shards(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(f"{kind}-*.npz"))
