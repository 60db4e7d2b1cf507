"""Transformer and text encoders together, by flow matching on cached latents; then the transformer's guidance."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowedit_grag.backbone.families.flux_transformer import velocity_of
from flowedit_grag.backbone.flow import Condition

from . import latents as latent_stage
from . import model
from .data import KINDS, caption_of, scene_at
from .loop import Stage, restore
from .reading import WEIGHT, labels, reader, reading_loss

BATCH = 32  # single scenes; half as many diptychs
DISTIL_BATCH = 24
DIPTYCH_STEPS = 0.15  # part of the steps that see diptychs
CAPTION_DROPOUT = 0.1
FOREGROUND_WEIGHT = 8.0  # items cover little of the picture, and all that is hard to learn
SIGMA = (0.4, 1.1)  # mean and deviation of the logit: biased towards noise, where the caption decides
GUIDANCE = (1.0, 7.0)  # drawn at random: until it is distilled, the guidance embedding must not matter
SHORT_TEXT, SHORT = 28, 0.7  # most captions fit in fewer tokens, which is faster; the model must know both lengths


@dataclass(frozen=True)
class Batch:
    """Latents ``[B, 16, h, w]`` with a caption each, seen through noise at ``sigma`` ``[B]``."""

    latents: Tensor
    noise: Tensor
    sigma: Tensor
    weight: Tensor  # [B, 1, h, w]
    captions: list[str]
    length: int  # tokens that captions are padded to
    kind: str  # of KINDS
    numbers: np.ndarray  # of the pictures [B]

    @property
    def noisy(self) -> Tensor:
        """``(1 - sigma) latents + sigma noise``."""
        s = self.sigma.view(-1, 1, 1, 1)
        return (1 - s) * self.latents + s * self.noise

    def loss(self, v: Tensor, wanted: Tensor) -> tuple[Tensor, dict]:
        """The weighted squared error of velocities, and the plain one for the log."""
        error = (v - wanted) ** 2
        facts = {"mse": error.mean(), "diptychs": float(self.kind == "diptychs")}
        return (self.weight * error).mean() / self.weight.mean(), facts


class Batches:
    """Batches of whatever latents stage ``latents`` left in ``folder``: mostly single scenes, some diptychs."""

    diptych_steps, foreground = DIPTYCH_STEPS, FOREGROUND_WEIGHT

    def __init__(self, folder: Path, device: str, size: int = BATCH, sigma: tuple[float, float] = SIGMA):
        self.data = {kind: latent_stage.load(folder, kind) for kind in KINDS}
        self.device, self.size, self.sigma = device, size, sigma

    def draw(self, rng: np.random.Generator) -> Batch:
        """The next batch; torch's own generator draws noise and sigma."""
        diptychs = rng.random() < self.diptych_steps
        kind = "diptychs" if diptychs else "scenes"
        short = not diptychs and rng.random() < SHORT
        latents, masks = self.data[kind]
        numbers = rng.integers(len(latents), size=self.size // 2 if diptychs else self.size)
        x = torch.from_numpy(latents[numbers].astype(np.float32))
        weight = 1 + (self.foreground - 1) * torch.from_numpy(masks[numbers].astype(np.float32))[:, None]
        texts = ["" if rng.random() < CAPTION_DROPOUT else caption_of(kind, int(n), rng) for n in numbers]
        mean, deviation = self.sigma
        sigma = torch.sigmoid(mean + deviation * torch.randn(len(x)))
        x, noise, sigma, weight = (t.to(self.device) for t in (x, torch.randn(x.shape), sigma, weight))
        return Batch(x, noise, sigma, weight, texts, SHORT_TEXT if short else model.TEXT_TOKENS, kind, numbers)


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Train transformer and text encoders together, T5 from where stage ``text`` left it."""
    batches, parts = Batches(folder, device), model.components()
    modules = {name: parts[name].to(device).train() for name in ("transformer", "text_encoder", "text_encoder_2")}
    modules["reader"] = reader(model.TEXT_WIDTH).to(device)
    restore(folder, "text", text_encoder_2=modules["text_encoder_2"], reader=modules["reader"])
    stage = Stage("flux", folder, modules, learning_rate=1e-3, decay=0.4)

    def loss_at(rng: np.random.Generator):
        batch = batches.draw(rng)
        condition = model.encode(parts, batch.captions, batch.length, device)
        guidance = torch.from_numpy(rng.uniform(*GUIDANCE, len(condition)).astype(np.float32))
        v = velocity_of(parts["transformer"], batch.noisy, batch.sigma, condition, guidance)
        loss, facts = batch.loss(v, batch.noise - batch.latents)
        if batch.kind == "diptychs":  # whose captions speak of two pictures
            return loss, facts
        scenes = [scene_at(int(number)) for number in batch.numbers]
        known = labels(batch.captions, scenes, parts["tokenizer_2"], batch.length)
        read = reading_loss(modules["reader"](condition.embeds), known.to(device))
        return loss + WEIGHT * read, {**facts, "flow": loss, "reading": read}

    stage.fit(loss_at, steps)


def trained(folder: Path, device: str) -> dict[str, Any]:
    """The pipeline's parts: transformer and text encoders are as this stage left them, on ``device`` and frozen."""
    parts = model.components()
    own = {name: parts[name] for name in ("transformer", "text_encoder", "text_encoder_2")}
    restore(folder, "flux", **own)
    for module in own.values():
        module.to(device).eval().requires_grad_(False)
    return parts


def train_distil(folder: Path, steps: int, device: str = "cpu") -> None:
    """Guidance distillation, as FLUX.1-dev's (arXiv:2210.03142): the guidance embedding learns to do what
    classifier-free guidance does with two evaluations. The averaged weights are the student's first, and the teacher;
    text encoders stay as they are."""
    teacher, batches = trained(folder, device), Batches(folder, device, DISTIL_BATCH)
    transformer = deepcopy(teacher["transformer"]).train().requires_grad_(True)
    stage = Stage("distil", folder, {"transformer": transformer}, learning_rate=4e-4, decay=0.7)

    def loss_at(rng: np.random.Generator):
        batch = batches.draw(rng)
        guidance = torch.from_numpy(rng.uniform(*GUIDANCE, len(batch.latents)).astype(np.float32)).to(device)
        with torch.no_grad():
            condition = model.encode(teacher, batch.captions, batch.length, device)
            wanted = guided(teacher, batch.noisy, batch.sigma, condition, guidance)
        return batch.loss(velocity_of(transformer, batch.noisy, batch.sigma, condition, guidance), wanted)

    stage.fit(loss_at, steps)


def guided(parts: dict, x: Tensor, sigma: Tensor, condition: Condition, scale: Tensor) -> Tensor:
    """Classifier-free guidance with a scale ``[B]`` for each row; rows without a caption stay as they are."""
    transformer, unguided = parts["transformer"], torch.ones_like(sigma)
    nothing = model.encode(parts, [""] * len(x), condition.embeds.shape[1], str(x.device))
    empty = velocity_of(transformer, x, sigma, nothing, unguided)
    return empty + scale.view(-1, 1, 1, 1) * (velocity_of(transformer, x, sigma, condition, unguided) - empty)
