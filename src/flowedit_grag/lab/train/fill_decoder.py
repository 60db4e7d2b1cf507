"""The decoder of the Fill model: the same latents, also of diptychs.

Group norm sees both panels. A decoder that knows only single scenes gives the panel of an edited background a tint of
the other one's, however right its latents are.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .data import KINDS, edit_at
from .loop import Stage
from .precision import bfloat16
from .vae import DECODER_NOISE, reconstruction_loss, trained, weighted

BATCH = 8  # single scenes; half as many diptychs
DIPTYCH_STEPS = 0.75
UNLIKE = 0.5  # part of the diptychs with two backgrounds, which are the hard ones: an eighth of them all


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from the lab model's decoder, on the cached latents."""
    vae = trained(folder).to(device)
    data = {kind: _latents(folder, kind) for kind in KINDS}
    unlike = _unlike(len(data["diptychs"]))
    stage = Stage("fill_decoder", folder, {"decoder": vae.decoder}, learning_rate=1e-3, decay=0.7, ema_decay=0.995)

    def loss_at(rng: np.random.Generator):
        kind, count = ("diptychs", BATCH // 2) if rng.random() < DIPTYCH_STEPS else ("scenes", BATCH)
        numbers = rng.integers(len(data[kind]), size=count)
        if kind == "diptychs":
            numbers = np.where(rng.random(count) < UNLIKE, rng.choice(unlike, count), numbers)
        images, masks = zip(*(KINDS[kind].drawn(int(number)) for number in numbers), strict=True)
        image, weight = (part.to(device) for part in weighted(np.stack(images), masks))
        latents = torch.from_numpy(data[kind][numbers].astype(np.float32))
        with bfloat16(device):
            output = vae.decode((latents + DECODER_NOISE * torch.randn(latents.shape)).to(device)).sample.float()
        loss = reconstruction_loss(output, image, weight)
        return loss, {"mse": F.mse_loss(output, image), "diptychs": float(kind == "diptychs")}

    stage.fit(loss_at, steps)


def _unlike(count: int) -> np.ndarray:
    """Which of the first ``count`` diptychs have panels of different backgrounds."""
    edits = (edit_at(number) for number in range(count))
    return np.flatnonzero([edit.source.background != edit.target.background for edit in edits])


def _latents(folder: Path, kind: str) -> np.ndarray:
    return np.concatenate([np.load(path)["latents"] for path in sorted(folder.glob(f"{kind}-*.npz"))])
