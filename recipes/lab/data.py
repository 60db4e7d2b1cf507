"""Training data: picture k is a function of (seed, k), so nothing but latents needs to be stored.

There are two kinds: single scenes, and diptychs, which show a scene and what an edit makes of it side by side. Captions
describe but never instruct.
"""

from collections.abc import Collection
from functools import lru_cache

import numpy as np
import torch

from flowedit_grag.lab import world
from flowedit_grag.lab.captions import PLACES, caption, describe
from flowedit_grag.lab.render import coverage, render
from flowedit_grag.lab.scene import Scene, sample_scene
from flowedit_grag.lab.tasks import EditingProblem, sample_edit
from flowedit_grag.methods.diptych_frame import DIPTYCH, IN_CONTEXT

KINDS = ("scenes", "diptychs")
TRAIN_SEED = 1_000_003  # no split shares it
BRIEF_CAPTIONS = 0.1  # part of the captions that leave out size and place
PLAIN_CAPTIONS = 0.5  # part of the captions in the plain phrasing
ITEMS = (0.03, 0.37, 0.6)  # how often a scene has none, one, two: which word belongs to which item is hardest to learn
SET_APART = 0.9  # of the diptychs' captions
DIFFERENCES = {
    "color": "with a {color} {shape}",
    "shape": "with a {shape}",
    "size": "with a {size} {shape}",
    "background": "on a {background} background",
    "add": "with {phrase}",
    "remove": "without the {shape}",
    "move": "with the {shape} {place}",
    "style": "with a {fill} {shape}",
}


def scene_at(index: int) -> Scene:
    """Training scene number ``index``."""
    rng = np.random.default_rng((TRAIN_SEED, index))
    return sample_scene(rng, int(rng.choice(3, p=ITEMS)))


def edit_at(index: int) -> EditingProblem:
    """The edit that training diptych number ``index`` shows."""
    return sample_edit(np.random.default_rng((TRAIN_SEED, 1, index)))


def panels(kind: str, index: int) -> list[Scene]:
    """What picture ``index`` of a kind shows, from left to right."""
    if kind == "scenes":
        return [scene_at(index)]
    edit = edit_at(index)
    return [edit.source, edit.target]


@lru_cache(maxsize=8_000)
def picture(kind: str, index: int) -> np.ndarray:
    """Picture ``index`` of a kind, ``[H, W, 3]`` uint8; a diptych is twice as wide."""
    return np.concatenate([render(scene) for scene in panels(kind, index)], axis=1)


def foreground(kind: str, index: int) -> np.ndarray:
    """Which pixels of a picture belong to an item, ``[H, W]`` bool."""
    nothing = np.zeros((world.IMAGE_SIZE, world.IMAGE_SIZE))
    covered = [sum(map(coverage, scene.items), nothing) for scene in panels(kind, index)]
    return np.concatenate(covered, axis=1) > 0


def drawn(kind: str, numbers: Collection[int]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures ``[B, H, W, 3]`` uint8 with these numbers, and their foregrounds ``[B, H, W]`` bool."""
    return np.stack([picture(kind, n) for n in numbers]), np.stack([foreground(kind, n) for n in numbers])


def pixels(images: np.ndarray) -> torch.Tensor:
    """Pictures ``[B, H, W, 3]`` uint8 as the autoencoder takes them, ``[B, 3, H, W]`` in -1..1."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def caption_of(kind: str, index: int, rng: np.random.Generator) -> str:
    """A scene's in any phrasing; a diptych's says mostly what sets the right panel apart, else all that it shows."""
    if kind == "scenes":
        phrasing = None if rng.random() < PLAIN_CAPTIONS else rng
        return caption(scene_at(index), phrasing, brief=bool(rng.random() < BRIEF_CAPTIONS))
    edit = edit_at(index)
    if rng.random() < SET_APART:
        return IN_CONTEXT.format(instruction=difference(edit))
    return f"{DIPTYCH} {caption(edit.target, rng)}"


def difference(edit: EditingProblem) -> str:
    """The right panel's new trait as a description: ``with a green star``."""
    before, after = (set(a.items) - set(b.items) for a, b in ((edit.source, edit.target), (edit.target, edit.source)))
    item = next(iter(after or before), None)
    if item is None:
        return DIFFERENCES["background"].format(background=edit.target.background)
    fill = world.SAID.get(item.fill, item.fill)
    facts = {**item.stated, "fill": fill, "place": PLACES[item.position][0], "phrase": describe(item)}
    return DIFFERENCES[edit.task].format(**facts)
