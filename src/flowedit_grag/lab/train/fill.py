"""The lab's Fill model, which paints what a mask hides. It sees diptychs, and never an instruction."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...backbone.tokens import pack
from .. import model
from . import masks as mask_stage
from .data import KINDS
from .encoding import encode
from .flux import GUIDANCE, Batch, Batches, optimizers, velocity
from .loop import Stage, averaged

BATCH = 24  # single scenes; half as many diptychs
DIPTYCH_STEPS = 0.6


class MaskedBatches(Batches):
    """Batches with what a Fill model sees beside the noise."""

    def __init__(self, folder: Path, device: str):
        super().__init__(folder, device, BATCH, DIPTYCH_STEPS)
        self.masked = {kind: mask_stage.load(folder, kind) for kind in KINDS}
        self.data = {kind: tuple(part[: len(self.masked[kind][0])] for part in self.data[kind]) for kind in KINDS}

    def context(self, batch: Batch) -> Tensor:
        """``[B, tokens, C]`` as :func:`flowedit_grag.backbone.fill.fill_context` makes it, for every row's own mask."""
        latents, masks = (part[batch.numbers] for part in self.masked[batch.kind])
        seen = pack(torch.from_numpy(latents.astype(np.float32)))
        hidden = torch.from_numpy(masks.astype(np.float32)).flatten(1)[..., None].expand(-1, -1, mask_stage.TOKEN**2)
        return torch.cat([seen, hidden], dim=-1).to(self.device)


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Widen stage ``flux``'s transformer and go on. Text encoders stay as they are."""
    batches, parts = MaskedBatches(folder, device), model.components()
    weights = averaged(folder, "flux")
    transformer = widened(parts["transformer"], weights["transformer"]).to(device).train()
    for name in ("text_encoder", "text_encoder_2"):
        parts[name].load_state_dict(weights[name])
        parts[name].to(device).eval().requires_grad_(False)
    modules = {"transformer": transformer}
    stage = Stage("fill", folder, modules, learning_rate=7e-4, optimizers_for=optimizers, decay=0.5)

    def loss_at(rng: np.random.Generator):
        batch = batches.draw(rng)
        with torch.no_grad():
            embeds, pooled = encode(parts, batch.captions, batch.length, device)
        guidance = torch.from_numpy(rng.uniform(*GUIDANCE, len(embeds)).astype(np.float32))
        v = velocity(transformer, batch.noisy, batch.sigma, embeds, pooled, guidance, batches.context(batch))
        return batch.loss(v, batch.noise - batch.latents)

    stage.fit(loss_at, steps)


def widened(transformer: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """A transformer that takes a masked picture's tokens and the mask too, and at first does as if it did not."""
    latent = transformer.config.in_channels
    wide = model.transformer(in_channels=2 * latent + mask_stage.TOKEN**2, out_channels=latent)
    old = weights["x_embedder.weight"]
    new = torch.zeros_like(wide.x_embedder.weight)
    new[:, :latent] = old
    wide.load_state_dict({**weights, "x_embedder.weight": new})
    return wide
