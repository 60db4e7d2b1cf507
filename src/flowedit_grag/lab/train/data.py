"""Training data: scene k is a function of (seed, k), so nothing but pictures needs to be stored."""

from functools import lru_cache
from multiprocessing import Pool

import numpy as np

from ..render import coverage, render
from ..scene import Scene, sample_scene

TRAIN_SEED = 1_000_003  # held-out scenes use other seeds


def scene_at(index: int) -> Scene:
    """Training scene number ``index``."""
    return sample_scene(np.random.default_rng((TRAIN_SEED, index)))


def picture(index: int) -> np.ndarray:
    """Scene ``index`` drawn, ``[H, W, 3]`` uint8."""
    return render(scene_at(index))


def foreground(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    """Which pixels belong to an item, ``[H, W]`` bool."""
    return np.any([np.zeros(size[::-1], bool), *(coverage(item, size) > 0 for item in scene.items)], axis=0)


@lru_cache(maxsize=1)
def pictures(count: int) -> np.ndarray:
    """The first ``count`` pictures, ``[count, H, W, 3]`` uint8."""
    with Pool(2) as pool:
        return np.stack(pool.map(picture, range(count), chunksize=100))
