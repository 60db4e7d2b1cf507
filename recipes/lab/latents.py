"""The training pictures as latents, encoded once, in shards that survive a kill: whole, and with parts masked as a Fill
model sees them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from einops import reduce
from torch import Tensor

from flowedit_grag.backbone.families.flux_transformer import PATCH
from flowedit_grag.files import written

from .data import TRAIN_SEED, drawn, pixels
from .loop import bfloat16
from .vae import trained

SHARD = 2_000  # pictures in a file
BATCH = 50
PIXELS_PER_LATENT = 8
TOKEN = PIXELS_PER_LATENT * PATCH  # pixels a side: masks are made of whole tokens
DIPTYCHS = 0.25  # for each single scene
MASKED_SCENES = 1 / 12  # for each diptych
DIPTYCH_PANEL = 0.9  # of the diptychs lack their right panel; the others lack a box, as single scenes do
OUTPAINTED = 0.3  # of the boxes are what is left over
SCALE = "latents.json"


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Encode the first ``steps`` training scenes and a quarter as many diptychs (rounded up to whole shards), then
    measure mean and deviation."""
    _encode(folder, {"scenes": steps, "diptychs": steps * DIPTYCHS}, device)
    sample = np.load(folder / "scenes-000.npz")["latents"].astype(np.float32)
    measured = {"shift_factor": float(sample.mean()), "scaling_factor": float(1 / sample.std())}
    (folder / SCALE).write_text(json.dumps(measured))
    print(measured, flush=True)


def train_masks(folder: Path, steps: int, device: str = "cpu") -> None:
    """Encode ``steps`` training diptychs and a twelfth as many scenes (rounded up to whole shards): masked, and whole
    where stage ``latents`` has not done so."""
    counts = {"diptychs": steps, "scenes": steps * MASKED_SCENES}
    _encode(folder, counts, device)
    _encode(folder, counts, device, masked=True)


def load(folder: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """All shards of a kind: scaled and shifted latents ``[N, 16, h, w]`` float16, and their masks, bool: the foreground
    ``[N, h, w]``, or of ``masked-`` kinds the hidden tokens ``[N, h / 2, w / 2]``."""
    scale = json.loads((folder / SCALE).read_text())
    shards = (np.load(path).values() for path in sorted(folder.glob(f"{kind}-*.npz")))
    latents, masks = zip(*shards, strict=True)
    scaled = ((x.astype(np.float32) - scale["shift_factor"]) * scale["scaling_factor"] for x in latents)
    return np.concatenate([x.astype(np.float16) for x in scaled]), np.concatenate(masks)


def unscaled(folder: Path, latents: Tensor) -> Tensor:
    """Scaled and shifted latents as the autoencoder decodes them."""
    scale = json.loads((folder / SCALE).read_text())
    return latents / scale["scaling_factor"] + scale["shift_factor"]


@torch.no_grad()
def _encode(folder: Path, counts: Mapping[str, float], device: str, masked: bool = False) -> None:
    """Write the shards of so many pictures of each kind that are not there: the means of the latents
    ``[B, 16, h, w]`` float16, and the masks."""
    vae, prefix, batch = trained(folder).to(device).eval(), "masked-" if masked else "", _masked if masked else _whole
    shards = [(kind, index) for kind, count in counts.items() for index in range(-int(-count // SHARD))]
    for kind, index in shards:
        path = folder / f"{prefix}{kind}-{index:03d}.npz"
        if path.exists():
            continue
        latents, masks = [], []
        for start in range(index * SHARD, (index + 1) * SHARD, BATCH):
            images, mask = batch(kind, range(start, start + BATCH))
            with bfloat16(device):
                latents.append(vae.encode(images.to(device)).latent_dist.mode().cpu().to(torch.float16).numpy())
            masks.append(mask)
        with written(path) as partial:
            np.savez(partial, latents=np.concatenate(latents), masks=np.concatenate(masks))
        print(path.stem, flush=True)


def _whole(kind: str, numbers: range) -> tuple[Tensor, np.ndarray]:
    """Pixels ``[B, 3, H, W]`` in -1..1, and masks."""
    images, masks = drawn(kind, numbers)
    side = PIXELS_PER_LATENT
    return pixels(images), reduce(masks, "b (h p) (w q) -> b h w", "any", p=side, q=side)


def _masked(kind: str, numbers: range) -> tuple[Tensor, np.ndarray]:
    images, _ = drawn(kind, numbers)
    grid = images.shape[1] // TOKEN, images.shape[2] // TOKEN
    masks = np.stack([mask_at(kind, number, *grid) for number in numbers])
    hidden = torch.from_numpy(masks.repeat(TOKEN, axis=1).repeat(TOKEN, axis=2))[:, None]
    return pixels(images).masked_fill(hidden, 0), masks


def mask_at(kind: str, index: int, height: int, width: int) -> np.ndarray:
    """Which of ``height x width`` tokens picture ``index`` lacks: a box, all but a box, or a diptych's right panel."""
    rng = np.random.default_rng((TRAIN_SEED, 2, index))
    mask = np.zeros((height, width), bool)
    if kind == "diptychs" and rng.random() < DIPTYCH_PANEL:
        mask[:, width // 2 :] = True
        return mask
    top, left = int(rng.integers(height - 1)), int(rng.integers(width - 1))
    bottom, right = int(rng.integers(top + 2, height + 1)), int(rng.integers(left + 2, width + 1))
    mask[top:bottom, left:right] = True
    return ~mask if rng.random() < OUTPAINTED and not mask.all() else mask
