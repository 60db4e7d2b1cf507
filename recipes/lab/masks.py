"""The training pictures again with parts of them masked, as a Fill model sees them."""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from flowedit_grag.backbone.families.flux_transformer import PATCH

from .data import KINDS, TRAIN_SEED, pixels
from .latents import PIXELS_PER_LATENT, SHARD, encode_shard, whole_shard
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
            path = folder / f"masked-{kind}-{index:03d}.npz"
            encode_shard(path, index, encoder, device, "masks", partial(_masked, kind))


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


def _masked(kind: str, numbers: range) -> tuple[torch.Tensor, np.ndarray]:
    images = np.stack([KINDS[kind].drawn(number)[0] for number in numbers])
    grid = images.shape[1] // TOKEN, images.shape[2] // TOKEN
    masks = np.stack([mask_at(kind, number, *grid) for number in numbers])
    hidden = torch.from_numpy(masks.repeat(TOKEN, axis=1).repeat(TOKEN, axis=2))[:, None]
    return pixels(images).masked_fill(hidden, 0), masks
