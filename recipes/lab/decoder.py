"""The decoder alone, on cached latents: sharper pictures from the same latents, so that the transformer need not be
trained again. The lab model's sees single scenes, on the lab's own colours; the Fill model's also diptychs, and latents
as the transformer predicts them.

Group norm sees both panels. A decoder that knows only single scenes gives the panel of an edited background a tint of
the other one's, however right its latents are, and lets its colour run over the seam.
"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import fill, latents
from .data import drawn, edit_at
from .loop import Stage, bfloat16, restore
from .vae import SCENES, WHOLE_BATCH, reconstruction_loss, trained, weighted

NOISE = 0.15  # sampled latents are never quite right
BATCH = 8  # single scenes; half as many diptychs
DIPTYCH_STEPS = 0.75
UNLIKE = 0.5  # part of the diptychs with two backgrounds, which are the hard ones: an eighth of them all
PREDICTED = 0.3  # part of the steps on latents that the transformer predicts: a small one is never quite right
PREDICTED_FROM = (2.5, 1.0)  # of the logit of sigma: what is wrong in an edit is wrong from there on
SEAM, SEAM_WEIGHT = 6, 6.0  # pixels on either side of the middle of a diptych

# Latents as the autoencoder decodes them, their kind, numbers of their pictures, and whether they were predicted.
Drawn = tuple[Tensor, str, np.ndarray, bool]


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from stage ``vae-whole``."""
    data, _ = latents.load(folder, "scenes")

    def draw(rng: np.random.Generator) -> Drawn:
        numbers = rng.integers(SCENES, size=WHOLE_BATCH)
        return _noised(folder, data[numbers]), "scenes", numbers, False

    _fit("vae_decoder", folder, steps, device, draw)


def train_fill(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from the lab model's decoder, on cached latents and on predictions of stage ``fill``'s transformer from
    much noise, of what it was trained on."""
    batches, parts = fill.MaskedBatches(folder, device, BATCH, PREDICTED_FROM), fill.components(folder, device)
    restore(folder, "fill", transformer=parts["transformer"])
    parts["transformer"].eval()
    edits = map(edit_at, range(len(batches.data["diptychs"][0])))
    unlike = np.flatnonzero([edit.source.background != edit.target.background for edit in edits])

    @torch.no_grad()
    def draw(rng: np.random.Generator) -> Drawn:
        if rng.random() < PREDICTED:
            batch = batches.draw(rng)
            clean = batch.noisy - batch.sigma.view(-1, 1, 1, 1) * fill.predicted(parts, batches, batch)
            return latents.unscaled(folder, clean), batch.kind, batch.numbers, True
        kind, count = ("diptychs", BATCH // 2) if rng.random() < DIPTYCH_STEPS else ("scenes", BATCH)
        data, _ = batches.data[kind]
        numbers = rng.integers(len(data), size=count)
        if kind == "diptychs":
            numbers = np.where(rng.random(count) < UNLIKE, rng.choice(unlike, count), numbers)
        return _noised(folder, data[numbers]), kind, numbers, False

    _fit("fill_decoder", folder, steps, device, draw, halved=True)


def _noised(folder: Path, scaled: np.ndarray) -> Tensor:
    clean = latents.unscaled(folder, torch.from_numpy(scaled.astype(np.float32)))
    return clean + NOISE * torch.randn(clean.shape)


def _fit(
    name: str, folder: Path, steps: int, device: str, draw: Callable[[np.random.Generator], Drawn], halved: bool = False
) -> None:
    vae = trained(folder).to(device)
    stage = Stage(name, folder, {"decoder": vae.decoder}, learning_rate=1e-3, decay=0.7, ema_decay=0.995)

    def loss_at(rng: np.random.Generator):
        x, kind, numbers, predicted = draw(rng)
        image, weight = (part.to(device) for part in weighted(*drawn(kind, numbers)))
        if kind == "diptychs":
            from_middle = torch.arange(weight.shape[-1], device=device) + 0.5 - weight.shape[-1] / 2
            weight = weight * torch.where(from_middle.abs() < SEAM, SEAM_WEIGHT, 1.0)
            weight = weight / weight.mean()
        with bfloat16(device) if halved else nullcontext():
            output = vae.decode(x.to(device)).sample.float()
        loss = reconstruction_loss(output, image, weight)
        return loss, {"mse": F.mse_loss(output, image), "predicted": float(predicted)}

    stage.fit(loss_at, steps)
