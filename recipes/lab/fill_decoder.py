"""The decoder of the Fill model: the same latents, also of diptychs, and as the transformer predicts them.

Group norm sees both panels. A decoder that knows only single scenes gives the panel of an edited background a tint of
the other one's, however right its latents are, and lets its colour run over the seam.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import latents as latent_stage
from .data import KINDS, edit_at
from .decoder import NOISE
from .fill import MaskedBatches, components, predicted
from .loop import Stage, averaged
from .precision import bfloat16
from .vae import reconstruction_loss, trained, weighted

BATCH = 8  # single scenes; half as many diptychs
DIPTYCH_STEPS = 0.75
UNLIKE = 0.5  # part of the diptychs with two backgrounds, which are the hard ones: an eighth of them all
PREDICTED = 0.3  # part of the steps on latents that the transformer predicts: a small one is never quite right
PREDICTED_FROM = (2.5, 1.0)  # of the logit of sigma: what is wrong in an edit is wrong from there on
SEAM, SEAM_WEIGHT = 6, 6.0  # pixels on either side of the middle of a diptych

Drawn = tuple[Tensor, str, np.ndarray]  # latents as the autoencoder decodes them, their kind, numbers of their pictures


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Go on from the lab model's decoder, on cached latents and on predictions of stage ``fill``'s transformer."""
    vae = trained(folder).to(device)
    cached, predictions = _Cached(folder), _Predictions(folder, device)
    stage = Stage("fill_decoder", folder, {"decoder": vae.decoder}, learning_rate=1e-3, decay=0.7, ema_decay=0.995)

    def loss_at(rng: np.random.Generator):
        is_predicted = rng.random() < PREDICTED
        latents, kind, numbers = (predictions if is_predicted else cached).draw(rng)
        images, masks = zip(*(KINDS[kind].drawn(int(number)) for number in numbers), strict=True)
        image, weight = (part.to(device) for part in weighted(np.stack(images), masks))
        weight = _with_seam(weight) if kind == "diptychs" else weight
        with bfloat16(device):
            output = vae.decode(latents.to(device)).sample.float()
        loss = reconstruction_loss(output, image, weight)
        return loss, {"mse": F.mse_loss(output, image), "predicted": float(is_predicted)}

    stage.fit(loss_at, steps)


def _with_seam(weight: Tensor) -> Tensor:
    """Weights ``[B, 1, H, 2W]`` that favour the pixels where the panels meet."""
    columns = torch.arange(weight.shape[-1], device=weight.device)
    near = (columns + 0.5 - weight.shape[-1] / 2).abs() < SEAM
    weight = weight * (1 + (SEAM_WEIGHT - 1) * near)
    return weight / weight.mean()


class _Cached:
    """Latents as the encoder made them, with noise."""

    def __init__(self, folder: Path):
        self.data = {kind: latent_stage.cached(folder, kind) for kind in KINDS}
        self.unlike = _unlike(len(self.data["diptychs"]))

    def draw(self, rng: np.random.Generator) -> Drawn:
        kind, count = ("diptychs", BATCH // 2) if rng.random() < DIPTYCH_STEPS else ("scenes", BATCH)
        numbers = rng.integers(len(self.data[kind]), size=count)
        if kind == "diptychs":
            numbers = np.where(rng.random(count) < UNLIKE, rng.choice(self.unlike, count), numbers)
        latents = torch.from_numpy(self.data[kind][numbers].astype(np.float32))
        return latents + NOISE * torch.randn(latents.shape), kind, numbers


class _Predictions:
    """Latents as the transformer predicts them from much noise, of what it was trained on."""

    def __init__(self, folder: Path, device: str):
        self.folder, self.batches = folder, MaskedBatches(folder, device, BATCH, PREDICTED_FROM)
        self.parts = components(folder, device)
        self.parts["transformer"].load_state_dict(averaged(folder, "fill")["transformer"])
        self.parts["transformer"].eval()

    @torch.no_grad()
    def draw(self, rng: np.random.Generator) -> Drawn:
        batch = self.batches.draw(rng)
        clean = batch.noisy - batch.sigma.view(-1, 1, 1, 1) * predicted(self.parts, self.batches, batch)
        return latent_stage.unscaled(self.folder, clean), batch.kind, batch.numbers


def _unlike(count: int) -> np.ndarray:
    """Which of the first ``count`` diptychs have panels of different backgrounds."""
    edits = (edit_at(number) for number in range(count))
    return np.flatnonzero([edit.source.background != edit.target.background for edit in edits])
