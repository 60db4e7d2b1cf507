"""Training data: picture k is a function of (seed, k), so nothing but pictures needs to be stored."""

from functools import lru_cache
from multiprocessing import Pool

import numpy as np
import torch

from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.render import coverage, render
from flowedit_grag.lab.scene import Scene, sample_scene
from flowedit_grag.lab.tasks import EditingProblem, sample_edit
from flowedit_grag.lab.world import IMAGE_SIZE

from . import diptychs

TRAIN_SEED = 1_000_003  # no split shares it
BRIEF_CAPTIONS = 0.1  # part of the captions that leave out size and place
PLAIN_CAPTIONS = 0.5  # part of the captions in the plain phrasing
ITEMS = (0.03, 0.37, 0.6)  # how often a scene has none, one, two: which word belongs to which item is hardest to learn


def scene_at(index: int) -> Scene:
    """Training scene number ``index``."""
    rng = np.random.default_rng((TRAIN_SEED, index))
    return sample_scene(rng, int(rng.choice(3, p=ITEMS)))


def edit_at(index: int) -> EditingProblem:
    """The edit that training diptych number ``index`` shows."""
    return sample_edit(np.random.default_rng((TRAIN_SEED, 1, index)))


def picture(index: int) -> np.ndarray:
    """Scene ``index`` drawn, ``[H, W, 3]`` uint8."""
    return render(scene_at(index))


def foreground(scene: Scene, size: tuple[int, int] = (IMAGE_SIZE, IMAGE_SIZE)) -> np.ndarray:
    """Which pixels belong to an item, ``[H, W]`` bool."""
    return np.any([np.zeros(size[::-1], bool), *(coverage(item, size) > 0 for item in scene.items)], axis=0)


@lru_cache(maxsize=1)
def pictures(count: int) -> np.ndarray:
    """The first ``count`` pictures, ``[count, H, W, 3]`` uint8."""
    with Pool(2) as pool:
        return np.stack(pool.map(picture, range(count), chunksize=100))


def pixels(images: np.ndarray) -> torch.Tensor:
    """Pictures ``[B, H, W, 3]`` uint8 as the autoencoder takes them, ``[B, 3, H, W]`` in -1..1."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


class Scenes:
    """Single scenes with a caption in any phrasing."""

    @staticmethod
    def drawn(index: int) -> tuple[np.ndarray, np.ndarray]:
        """Picture ``[H, W, 3]`` uint8 and foreground ``[H, W]`` bool."""
        return picture(index), foreground(scene_at(index))

    @staticmethod
    def caption(index: int, rng: np.random.Generator) -> str:
        phrasing = None if rng.random() < PLAIN_CAPTIONS else rng
        return caption(scene_at(index), phrasing, brief=bool(rng.random() < BRIEF_CAPTIONS))


class DiptychScenes:
    """A scene and an edit of it, side by side."""

    @staticmethod
    def drawn(index: int) -> tuple[np.ndarray, np.ndarray]:
        """Picture ``[H, 2 W, 3]`` uint8 and foreground ``[H, 2 W]`` bool."""
        edit = edit_at(index)
        return diptychs.draw(edit), np.concatenate([foreground(edit.source), foreground(edit.target)], axis=1)

    @staticmethod
    def caption(index: int, rng: np.random.Generator) -> str:
        return diptychs.diptych_caption(edit_at(index), rng)


KINDS: dict[str, type[Scenes] | type[DiptychScenes]] = {"scenes": Scenes, "diptychs": DiptychScenes}
