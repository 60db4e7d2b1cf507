"""Stage 3: transformer and text encoders together, by flow matching on cached latents."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...backbone.tokens import TokenLayout, image_ids, pack, unpack
from .. import model
from ..captions import caption
from . import latents as latent_stage
from .data import scene_at
from .loop import Stage

BATCH = 32
CAPTION_DROPOUT, BRIEF_CAPTIONS = 0.1, 0.1
FOREGROUND_WEIGHT = 5.0  # items cover little of the picture, and all that is hard to learn
SIGMA_MEAN, SIGMA_STD = 0.4, 1.1  # of the logit: biased towards noise, where the caption decides
GUIDANCE = (1.0, 7.0)  # drawn at random: until it is distilled, the guidance embedding must not matter
TEXT_LENGTHS = (model.TEXT_TOKENS, model.TEXT_TOKENS, model.TEXT_TOKENS, 3 * model.TEXT_TOKENS // 2)


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Train on whatever latents stage 2 left in ``folder``."""
    data, masks = lru_cache(latent_stage.load)(folder)
    parts = model.components()
    modules = {name: parts[name].to(device).train() for name in ("transformer", "text_encoder", "text_encoder_2")}
    stage = Stage("flux", folder, modules, learning_rate=1e-3)

    def loss_at(rng: np.random.Generator):
        numbers = rng.integers(len(data), size=BATCH)
        x = torch.from_numpy(data[numbers].astype(np.float32)).to(device)
        weight = 1 + (FOREGROUND_WEIGHT - 1) * torch.from_numpy(masks[numbers].astype(np.float32)).to(device)[:, None]
        embeds, pooled = encode(parts, captions(rng, numbers), int(rng.choice(TEXT_LENGTHS)), device)
        sigma = torch.sigmoid(SIGMA_MEAN + SIGMA_STD * torch.randn(BATCH)).to(device)
        noise = torch.randn(x.shape).to(device)
        s = sigma.view(-1, 1, 1, 1)
        v = velocity(parts["transformer"], (1 - s) * x + s * noise, sigma, embeds, pooled, rng)
        error = (v - (noise - x)) ** 2
        return (weight * error).mean() / weight.mean(), {"mse": error.mean()}

    stage.fit(loss_at, steps)


def captions(rng: np.random.Generator, numbers: np.ndarray) -> list[str]:
    """A caption for each scene in any phrasing; some brief, some empty."""
    texts = []
    for number in numbers:
        text = caption(scene_at(int(number)), rng, brief=bool(rng.random() < BRIEF_CAPTIONS))
        texts.append("" if rng.random() < CAPTION_DROPOUT else text)
    return texts


def encode(parts: dict, texts: list[str], length: int, device: str) -> tuple[Tensor, Tensor]:
    """What ``FluxPipeline.encode_prompt`` computes, with gradients: embeds ``[B, length, D]``, pooled ``[B, P]``."""
    t5, clip = parts["tokenizer_2"], parts["tokenizer"]
    ids = t5(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
    pooled_ids = clip(
        texts, padding="max_length", max_length=clip.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids
    embeds = parts["text_encoder_2"](ids.to(device))[0]
    return embeds, parts["text_encoder"](pooled_ids.to(device)).pooler_output


def velocity(transformer, x: Tensor, sigma: Tensor, embeds: Tensor, pooled: Tensor, rng) -> Tensor:
    """The transformer's prediction for latents ``[B, C, h, w]`` at ``sigma`` ``[B]``."""
    guidance = torch.from_numpy(rng.uniform(*GUIDANCE, len(x)).astype(np.float32)).to(x.device)
    out = transformer(
        hidden_states=pack(x), timestep=sigma, guidance=guidance, encoder_hidden_states=embeds,
        pooled_projections=pooled, img_ids=image_ids(TokenLayout.of(x, 0), x.device, x.dtype),
        txt_ids=torch.zeros(embeds.shape[1], 3, device=x.device), return_dict=False,
    )[0]  # fmt: skip
    return unpack(out, x.shape[-2])
