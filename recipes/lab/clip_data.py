"""What the lab's CLIP learns from: scenes and scenes that are nearly the same, pictures as models make them too,
captions, and the facts that a linear reader must say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from flowedit_grag.lab import world
from flowedit_grag.lab.captions import PLACES, caption
from flowedit_grag.lab.scene import Item, Scene, sample_item

from .data import PLAIN_CAPTIONS, pixels
from .loop import bfloat16
from .reading import UNKNOWN, attributes

SPOILED = 6  # of a batch's pictures go through the autoencoder
LATENT_NOISE, LEAST_DRAWN = 0.5, 0.6  # the most and the least of what such a picture has
SHAKEN = 0.3  # part of the pictures that are noisy, that are blurred, that have another brightness
SLOTS = tuple(world.POSITIONS)
TRAITS = tuple(name for name in world.ATTRIBUTES if name != "position")
SIZES = [2, *(len(world.ATTRIBUTES[name]) for name in TRAITS)]  # of a slot's answers
ANSWERS = len(SLOTS) * sum(SIZES) + len(world.BACKGROUNDS)


def changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """``scene`` but for one attribute, or with its items' traits or places swapped, or with an item more or less."""
    items, kinds = scene.items, ["background"]
    kinds += ["shape", "color", "size", "position", "fill"] * (2 if items else 0) + ["remove"] * len(items)
    kinds += ["swap"] * 2 * (len(items) == 2) + ["add"] * (len(items) == 1 and items[0].position in world.OPPOSITE)
    kind = str(rng.choice(kinds))
    if kind == "background":
        return replace(scene, background=_other(rng, world.BACKGROUNDS, scene.background))
    index = int(rng.integers(len(items)))
    if kind == "remove":
        return replace(scene, items=items[:index] + items[index + 1 :])
    if kind == "add":
        return replace(scene, items=(*items, sample_item(rng, world.OPPOSITE[items[0].position])))
    if len(items) == 2 and kind in ("swap", "position"):
        name = "position" if kind == "position" else str(rng.choice(["shape", "color", "size", "fill"]))
        one, two = items
        swapped = [Item(**{**vars(item), name: getattr(other, name)}) for item, other in ((one, two), (two, one))]
        return replace(scene, items=tuple(swapped))
    name = "color" if kind == "swap" else kind
    value = _other(rng, world.ATTRIBUTES[name], getattr(items[index], name))
    new = Item(**{**vars(items[index]), name: value})
    return replace(scene, items=(*items[:index], new, *items[index + 1 :]))


@torch.no_grad()
def spoiled(images: np.ndarray, vae: Any, rng: np.random.Generator, device: str) -> Tensor:
    """Pictures ``[3 B, H, W, 3]`` uint8 as the network takes them, some as a model may make them. Half of those from
    the autoencoder are only mostly drawn, over their group's source."""
    x = pixels(images).to(device)
    chosen = torch.from_numpy(rng.choice(len(x), SPOILED, replace=False))
    shares = np.where(rng.random(SPOILED) < 0.5, 1, rng.uniform(LEAST_DRAWN, 1, SPOILED))
    drawn = torch.from_numpy(shares).to(x).view(-1, 1, 1, 1)
    with bfloat16(device):
        latents, sources = (vae.encode(x[one]).latent_dist.mode().float() for one in (chosen, chosen // 3 * 3))
        noise = torch.rand_like(drawn) * LATENT_NOISE * torch.randn_like(latents)
        x[chosen] = vae.decode(drawn * latents + (1 - drawn) * sources + noise).sample.float()
    noisy, blurred, dimmed = (torch.from_numpy(rng.random(len(x)) < SHAKEN).to(device) for _ in range(3))
    if blurred.any():
        small = interpolate(x[blurred], scale_factor=float(rng.uniform(0.4, 0.8)), mode="bilinear", antialias=True)
        x[blurred] = interpolate(small, x.shape[-2:], mode="bilinear")
    x[dimmed] = x[dimmed] * (1 + 0.1 * (2 * torch.rand(int(dimmed.sum()), 1, 1, 1, device=device) - 1))
    x[noisy] += 0.1 * torch.rand(int(noisy.sum()), 1, 1, 1, device=device) * torch.randn_like(x[noisy])
    return x.clamp(-1, 1)


def said_of(scene: Scene, rng: np.random.Generator, brief: bool) -> str:
    """A caption, half of the time in any phrasing."""
    return caption(scene, None if rng.random() < PLAIN_CAPTIONS else rng, brief)


def true_of(pictures: Sequence[Scene], told: Sequence[Scene], brief: Sequence[bool]) -> np.ndarray:
    """Which captions ``[captions]`` are true of which ``pictures``, bool."""
    said = [meaning(scene, short) for scene, short in zip(told, brief, strict=True)]
    true = [{meaning(scene, False), meaning(scene, True)} for scene in pictures]
    return np.array([[one in own for one in said] for own in true])


def meaning(scene: Scene, brief: bool) -> str:
    """The same text for scenes of which the same captions are true."""
    return caption(replace(scene, items=tuple(sorted(scene.items, key=lambda item: str(vars(item))))), brief=brief)


def facts(scene: Scene) -> list[int]:
    """What ``scene`` states: for every place whether something is there and its attributes (``UNKNOWN`` where nothing
    is), and the background."""
    there = {item.position: item for item in scene.items}
    known = [fact for place in SLOTS for fact in _of(there.get(place))]
    return [*known, list(world.BACKGROUNDS).index(scene.background)]


def on_patches(scene: Scene, side: int) -> np.ndarray:
    """The attributes of the item that each patch of ``side`` pixels is in the middle of or within its radius, as
    indices of their values, ``[patches, attributes]``; ``UNKNOWN`` where there is none."""
    count = world.IMAGE_SIZE // side
    y, x = (np.indices((count, count)).reshape(2, -1) + 0.5) / count
    found = np.full((count * count, len(world.ATTRIBUTES)), UNKNOWN)
    for item in scene.items:
        found[np.hypot(x - item.center[0], y - item.center[1]) < world.SIZES[item.size]] = attributes(item)
    return found


def on_places(scenes: Sequence[Scene], ids: Tensor, tokenizer: Any) -> Tensor:
    """The attributes of the item whose place a token names (the last word of an item, which has read all others), as
    indices of their values, for the captions of ``scenes``, which are the first of ``ids`` ``[B, tokens]``:
    ``[scenes, tokens, attributes]``; ``UNKNOWN`` elsewhere."""
    found = torch.full((len(scenes), ids.shape[1], len(world.ATTRIBUTES)), UNKNOWN)
    for row, scene in enumerate(scenes):
        for item in scene.items:
            for place in PLACES[item.position]:
                number = tokenizer.convert_tokens_to_ids(f"{place.split()[-1]}</w>")
                found[row, ids[row].cpu() == number] = torch.tensor(attributes(item))
    return found


def reading_loss(logits: Tensor, known: Tensor) -> Tensor:
    """Cross entropy of ``logits`` ``[B, answers]`` and :func:`facts` ``[B, facts]``, the sum of each kind's mean."""
    parts = logits.split([*SIZES * len(SLOTS), len(world.BACKGROUNDS)], dim=-1)
    last = known.shape[1] - 1
    kinds = [*(range(kind, last, len(SIZES)) for kind in range(len(SIZES))), [last]]
    losses = [
        cross_entropy(torch.cat([parts[i] for i in kind]), torch.cat([known[:, i] for i in kind]), reduction="sum")
        / (torch.stack([known[:, i] for i in kind]) >= 0).sum().clamp(min=1)
        for kind in kinds
    ]  # fmt: skip
    return torch.stack(losses).sum()


def _of(item: Item | None) -> list[int]:
    if item is None:
        return [0, *([UNKNOWN] * len(TRAITS))]
    return [1, *(list(world.ATTRIBUTES[name]).index(getattr(item, name)) for name in TRAITS)]


def _other(rng: np.random.Generator, values: Any, current: str) -> str:
    return str(rng.choice([value for value in values if value != current]))
