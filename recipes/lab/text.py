"""T5 alone, on captions. It learns which words speak of one item before it has to say so to a transformer."""

from pathlib import Path

import numpy as np

from . import model
from .data import Scenes, scene_at
from .encoding import t5_ids
from .loop import Stage
from .reading import labels, reader, reading_loss

BATCH = 64
CAPTIONS = 16_000


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Train T5 and the :func:`reader` on top of it."""
    parts = model.components()
    t5, tokenizer, head = parts["text_encoder_2"].to(device), parts["tokenizer_2"], reader(model.TEXT_WIDTH).to(device)
    stage = Stage("text", folder, {"text_encoder_2": t5, "reader": head}, 1e-3, warmup=50, decay=0.5)

    def loss_at(rng: np.random.Generator):
        numbers = rng.integers(CAPTIONS, size=BATCH)
        texts = [Scenes.caption(int(number), rng) for number in numbers]
        known = labels(texts, [scene_at(int(number)) for number in numbers], tokenizer, model.TEXT_TOKENS)
        features = t5(t5_ids(tokenizer, texts, model.TEXT_TOKENS).to(device))[0]
        return reading_loss(head(features), known.to(device)), {}

    stage.fit(loss_at, steps)
