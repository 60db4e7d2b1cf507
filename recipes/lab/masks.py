"""The training pictures again with parts of them masked, as a Fill model sees them."""

from pathlib import Path

import numpy as np
import torch

from flowedit_grag.backbone.families.flux_transformer import PATCH
from flowedit_grag.files import written

from .data import KINDS, TRAIN_SEED
from .latents import BATCH, PIXELS_PER_LATENT, SHARD, encoded, scaled, whole_shard
from .vae import trained_encoder

TOKEN = PIXELS_PER_LATENT * PATCH  # pixels a side: masks are made of whole tokens
DIPTYCH_PANEL = 0.9  # of the diptychs lack their right panel; the others lack a box, as single scenes do
OUTPAINTED = 0.3  # of the boxes are what is left over
SCENES = 1 / 12  # for each diptych


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Encode ``steps`` training diptychs and a twelfth as many scenes (rounded up to whole shards): masked, and whole
    where stage ``latents`` has not done so."""
    encoder = trained_encoder(folder).to(device).eval()
    for kind, count in (("diptychs", steps), ("scenes", steps * SCENES)):
        for index in range(-int(-count // SHARD)):
            whole_shard(folder, kind, encoder, index, device)
            _shard(folder, kind, encoder, index, device)


def load(folder: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """All shards of a kind: latents of the masked pictures ``[N, 16, h, w]`` float16, masks ``[N, h/2, w/2]`` bool."""
    shards = [np.load(path) for path in sorted(folder.glob(f"masked-{kind}-*.npz"))]
    return scaled(folder, shards), np.concatenate([shard["masks"] for shard in shards])


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


@torch.no_grad()
def _shard(folder: Path, kind: str, vae, index: int, device: str) -> None:
    path = folder / f"masked-{kind}-{index:03d}.npz"
    if path.exists():
        return
    latents, masks = [], []
    for start in range(index * SHARD, (index + 1) * SHARD, BATCH):
        pictures = np.stack([KINDS[kind].drawn(number)[0] for number in range(start, start + BATCH)])
        grid = pictures.shape[1] // TOKEN, pictures.shape[2] // TOKEN
        masks.append(np.stack([mask_at(kind, number, *grid) for number in range(start, start + BATCH)]))
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        hidden = torch.from_numpy(masks[-1].repeat(TOKEN, axis=1).repeat(TOKEN, axis=2))[:, None]
        latents.append(encoded(vae, pixels.masked_fill(hidden, 0), device))
    with written(path) as partial:
        np.savez(partial, latents=np.concatenate(latents), masks=np.concatenate(masks))
    print("masked", kind, index + 1, flush=True)
