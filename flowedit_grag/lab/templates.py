"""Reading an item's shape: the renderer's own silhouettes, laid over the item's."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from . import world
from .render import shape_distance

GRID = 48  # samples a side
REACH = 2.2  # half side of the sampled window, in radii of a disc of the item's area
STEPS = ((np.arange(GRID) + 0.5) / GRID * 2 - 1) * REACH  # where the samples are
ANGLES = 24
OVERLAP_NEEDED = 0.80  # intersection over union
LEAD_NEEDED = 0.02  # over the next best shape


@dataclass(frozen=True)
class FittedShape:
    """``shape`` is ``None`` if no silhouette fits; ``center`` is (x, y) and ``radius`` the renderer's, in pixels;
    ``overlap`` is the best silhouette's intersection over union."""

    shape: str | None
    center: tuple[float, float]
    radius: float
    overlap: float


def read_shape(part: np.ndarray) -> FittedShape:
    """The shape of the silhouette ``part`` ``[H, W]`` bool."""
    y, x = ndimage.center_of_mass(part)
    disc = (part.sum() / np.pi) ** 0.5
    window = np.meshgrid(y + STEPS * disc, x + STEPS * disc, indexing="ij")
    seen = ndimage.map_coordinates(part.astype(float), window, order=1)
    overlaps = {}
    for shape in world.SHAPES:
        silhouettes, _ = _silhouettes(shape)
        shared = np.minimum(silhouettes, seen).sum(axis=(1, 2))
        overlaps[shape] = float((shared / np.maximum(silhouettes, seen).sum(axis=(1, 2))).max())
    first, second = sorted(overlaps, key=overlaps.__getitem__, reverse=True)[:2]
    sure = overlaps[first] >= OVERLAP_NEEDED and overlaps[first] - overlaps[second] >= LEAD_NEEDED
    return FittedShape(first if sure else None, (x + 0.5, y + 0.5), disc / _silhouettes(first)[1], overlaps[first])


@lru_cache
def _silhouettes(shape: str) -> tuple[np.ndarray, float]:
    """``[angles, GRID, GRID]``, scaled to a disc's area, and (disc radius / radius)."""
    fine = (np.arange(400) + 0.5) / 400 * 3 - 1.5
    area = (shape_distance(shape, *np.meshgrid(fine, fine), 1.0) < 0).mean() * 9
    disc = (area / np.pi) ** 0.5
    x, y = np.meshgrid(STEPS * disc, STEPS * disc)
    turns = 1 if shape in ("circle", "ring") else ANGLES
    pixel = 2 * REACH * disc / GRID
    out = []
    for angle in np.linspace(0, 2 * np.pi, turns, endpoint=False):
        c, s = np.cos(angle), np.sin(angle)
        out.append(np.clip(0.5 - shape_distance(shape, c * x + s * y, c * y - s * x, 1.0) / pixel, 0, 1))
    return np.stack(out), disc
