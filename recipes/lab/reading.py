"""What models learn besides, with linear readers of their features.

A text encoder learns which words speak of one item. FLUX's T5 brings that along from its pre-training; without it, two
items of a caption take on each other's shape and colour for thousands of steps.

The Fill model learns to see what the left panel shows, and to know what the right one is to show. FLUX.1-Fill brings
recognition along. The lab's has to find "the star" in a picture first, which the velocity alone teaches slowly: few
tokens depend on it.
"""

from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import reduce
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from flowedit_grag.lab import world
from flowedit_grag.lab.captions import PLACES
from flowedit_grag.lab.render import coverage
from flowedit_grag.lab.scene import Item, Scene

from . import model
from .data import caption_of, panels, scene_at
from .latents import TOKEN
from .loop import Stage

UNKNOWN = -100  # left out of the loss
WEIGHT = 0.1  # beside the flow's loss
BATCH = 64
CAPTIONS = 16_000
COVERED = 0.25  # of a token, from which on it shows an item
GRID = world.IMAGE_SIZE // TOKEN
LEFT, RIGHT = "transformer_blocks.2", "single_transformer_blocks.3"  # after which the panels' tokens are read


def reader(width: int) -> nn.Linear:
    """From a token's features to the attributes of the item that its word belongs to."""
    return nn.Linear(width, sum(map(len, world.ATTRIBUTES.values())))


def reading_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy, the sum over attributes of the mean over tokens that have a label.

    ``logits`` ``[B, tokens, values]``, ``labels`` ``[B, tokens, attributes]``.
    """
    parts = logits.split([len(values) for values in world.ATTRIBUTES.values()], dim=-1)
    known = (labels[..., 0] != UNKNOWN).sum().clamp(min=1)
    pairs = zip(parts, labels.unbind(dim=-1), strict=True)
    sums = [cross_entropy(p.flatten(0, 1), own.flatten(), ignore_index=UNKNOWN, reduction="sum") for p, own in pairs]
    return torch.stack(sums).sum() / known


def labels(texts: Sequence[str], scenes: Sequence[Scene], tokenizer: Any, length: int) -> Tensor:
    """For every one of ``length`` tokens of T5, the attributes of the item whose word it is, as indices of their
    values, ``[B, length, attributes]``; ``UNKNOWN`` for words of no item, or of more than one."""
    ids, words = model.token_ids(tokenizer, texts, length), tokenizer.get_vocab()
    found = torch.full((*ids.shape, len(world.ATTRIBUTES)), UNKNOWN)
    for row, (text, scene) in enumerate(zip(texts, scenes, strict=True)):
        for word, item in _words(scene, set(text.split())):
            found[row, ids[row] == words[word]] = torch.tensor(attributes(item))
    return found


def _words(scene: Scene, said: set[str]) -> Iterator[tuple[str, Item]]:
    """The words that were ``said`` and can only mean one item, of items that were described in full."""
    of = {item: _names(item) & said for item in scene.items}
    for item, own in of.items():
        others = set().union(*(names for other, names in of.items() if other is not item))
        if item.size in own and _places(item) & own:
            yield from ((word, item) for word in own - others)


def _names(item: Item) -> set[str]:
    return {item.shape, item.color, item.size, *_places(item), *([item.fill] if item.fill == "striped" else [])}


def _places(item: Item) -> set[str]:
    return {place.split()[-1] for place in PLACES[item.position]}


def attributes(item: Item) -> list[int]:
    """An item's, as indices of their values."""
    return [list(values).index(item.stated[name]) for name, values in world.ATTRIBUTES.items()]


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """T5 and the :func:`reader` alone, on captions: T5 learns what this is before it has to tell a transformer."""
    parts = model.components()
    t5, tokenizer, head = parts["text_encoder_2"].to(device), parts["tokenizer_2"], reader(model.TEXT_WIDTH).to(device)
    stage = Stage("text", folder, {"text_encoder_2": t5, "reader": head}, 1e-3, warmup=50, decay=0.5)

    def loss_at(rng: np.random.Generator):
        numbers = rng.integers(CAPTIONS, size=BATCH)
        texts = [caption_of("scenes", number, rng) for number in numbers]
        known = labels(texts, [scene_at(number) for number in numbers], tokenizer, model.TEXT_TOKENS)
        features = t5(model.token_ids(tokenizer, texts, model.TEXT_TOKENS).to(device))[0]
        return reading_loss(head(features), known.to(device)), {}

    stage.fit(loss_at, steps)


class Sight(nn.Module):
    """Linear readers of a transformer's features: of the left panel early, of the right one late."""

    def __init__(self, transformer: Any):
        super().__init__()
        width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
        self.left, self.right = reader(width), reader(width)
        self.features: dict[str, Tensor] = {}
        for place in (LEFT, RIGHT):
            transformer.get_submodule(place).register_forward_hook(partial(self._keep, place))

    def _keep(self, place: str, block, args, output) -> None:
        self.features[place] = output[1].float()  # of the picture; the text's are the first

    def loss(self, numbers: np.ndarray) -> Tensor:
        """Of the last forward call, which was of diptychs with these ``numbers``."""
        labels = torch.from_numpy(np.stack([shown(int(number)) for number in numbers])).long()
        parts = []
        for head, place, side in ((self.left, LEFT, 0), (self.right, RIGHT, 1)):
            of_panel = self.features[place].unflatten(1, (GRID, 2, GRID))[:, :, side].flatten(1, 2)
            parts.append(reading_loss(head(of_panel), labels[:, :, side].flatten(1, 2).to(of_panel.device)))
        return torch.stack(parts).sum()


@cache
def shown(number: int) -> np.ndarray:
    """The attributes of the item that each token of training diptych ``number`` shows, as indices of their values,
    ``[rows, 2, columns, attributes]`` int8; ``UNKNOWN`` where it shows none."""
    found = np.full((GRID, 2, GRID, len(world.ATTRIBUTES)), UNKNOWN, np.int8)
    for side, scene in enumerate(panels("diptychs", number)):
        for item in scene.items:
            share = reduce(coverage(item), "(h p) (w q) -> h w", "mean", p=TOKEN, q=TOKEN)
            found[:, side][share >= COVERED] = attributes(item)
    return found
