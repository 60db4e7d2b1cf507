"""The lab's Fill model, which paints what a mask hides. It sees diptychs, and never an instruction."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowedit_grag.backbone.families.flux_transformer import pack, velocity_of

from . import latents as latent_stage
from . import model
from .data import KINDS
from .flux import Batch, Batches, trained
from .latents import TOKEN
from .loop import Stage, bfloat16
from .reading import WEIGHT, Sight

BATCH = 32  # single scenes; half as many diptychs
DIPTYCH_STEPS = 0.9
SIGMA = (1.2, 1.4)  # of the logit: what to change is decided in the noise, and how sharp it is after that
FOREGROUND_WEIGHT = 2.5  # with the lab model's 8, backgrounds keep patches that read as items
GUIDANCE = 1.0  # at which the shipped model's velocity is not guided


class MaskedBatches(Batches):
    """Batches with what a Fill model sees beside the noise."""

    diptych_steps, foreground = DIPTYCH_STEPS, FOREGROUND_WEIGHT

    def __init__(self, folder: Path, device: str, size: int, sigma: tuple[float, float]):
        super().__init__(folder, device, size, sigma)
        self.masked = {kind: latent_stage.load(folder, f"masked-{kind}") for kind in KINDS}
        for kind, (latents, _) in self.masked.items():  # there may be more pictures than masked ones
            whole, foreground = self.data[kind]
            self.data[kind] = whole[: len(latents)], foreground[: len(latents)]

    def context(self, batch: Batch) -> Tensor:
        """``[B, tokens, C]`` as ``flux_fill.fill_context`` makes it, for every row's own mask."""
        latents, masks = (part[batch.numbers] for part in self.masked[batch.kind])
        seen = pack(torch.from_numpy(latents.astype(np.float32)))
        hidden = torch.from_numpy(masks.astype(np.float32)).flatten(1)[..., None].expand(-1, -1, TOKEN**2)
        return torch.cat([seen, hidden], dim=-1).to(self.device)


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Widen stage ``flux``'s transformer and go on. Text encoders stay as they are."""
    batches, parts = MaskedBatches(folder, device, BATCH, SIGMA), components(folder, device)
    transformer = parts["transformer"].train()
    sight = Sight(transformer).to(device)
    modules = {"transformer": transformer, "sight": sight}
    stage = Stage("fill", folder, modules, learning_rate=1.4e-3, also=("x_embedder.weight",), decay=0.4, every=100)

    def loss_at(rng: np.random.Generator):
        batch = batches.draw(rng)
        loss, facts = batch.loss(predicted(parts, batches, batch), batch.noise - batch.latents)
        if batch.kind != "diptychs":
            return loss, facts
        seen = sight.loss(batch.numbers)
        return loss + WEIGHT * seen, {**facts, "flow": loss, "seeing": seen}

    stage.fit(loss_at, steps)


def predicted(parts: Mapping[str, Any], batches: MaskedBatches, batch: Batch) -> Tensor:
    """The velocity ``[B, 16, h, w]`` float32 that the transformer predicts for a batch."""
    guidance = torch.full((len(batch.latents),), GUIDANCE)
    with bfloat16(batches.device):
        with torch.no_grad():
            text = model.encode(parts, batch.captions, batch.length, batches.device)
        v = velocity_of(parts["transformer"], batch.noisy, batch.sigma, text, guidance, batches.context(batch))
    return v.float()


def components(folder: Path, device: str) -> dict[str, Any]:
    """The lab's parts on ``device``: text encoders as stage ``flux`` left them, frozen, and its transformer widened."""
    parts = trained(folder, device)
    return {**parts, "transformer": widened(parts["transformer"]).to(device)}


def widened(transformer: Any) -> Any:
    """A transformer that takes a masked picture's tokens and the mask too. At first it sees the masked picture as it
    does the noisy one (columns that start at zero stay small, and the model never learns to copy), and not the mask."""
    latent = transformer.config.in_channels
    wide = model.transformer(in_channels=2 * latent + TOKEN**2, out_channels=latent)
    weights = transformer.state_dict()
    old = weights["x_embedder.weight"]
    new = torch.zeros_like(wide.x_embedder.weight)
    new[:, : 2 * latent] = torch.cat([old, old], dim=1)
    wide.load_state_dict({**weights, "x_embedder.weight": new})
    return wide
