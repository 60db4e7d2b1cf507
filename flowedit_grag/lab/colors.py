"""Reading an item's colour and fill from its pixels."""

import numpy as np
from scipy import ndimage

from . import world
from .render import STRIPE_SHADE

COLOR_TOLERANCE = 38.0  # mean RGB distance of an item's pixels from what the renderer would draw
STRIPED_BETWEEN = (0.22, 0.78)  # share of the darker stripes
LIGHTS = (0.88, 0.93, 0.98, 1.02)  # brightness that the renderer's shades and light come to


def read_color(pixels: np.ndarray, ground: np.ndarray, part: np.ndarray) -> tuple[str | None, str | None]:
    """Colour and fill of the item that covers ``part`` ``[H, W]`` bool; ``None`` where nothing drawn looks like it."""
    inside = ndimage.binary_erosion(part)
    samples = pixels[inside if inside.sum() >= 20 else part]
    best: tuple[float, str | None, str | None] = (np.inf, None, None)
    for color in world.COLORS:
        for light in LIGHTS:
            error, share = _fit(samples / light, color)
            flat = share <= STRIPED_BETWEEN[0]
            if error < best[0] and (flat or share < STRIPED_BETWEEN[1]):
                best = error, color, "flat" if flat else "striped"
    return best[1:] if best[0] < COLOR_TOLERANCE else (None, None)


def _fit(samples: np.ndarray, color: str) -> tuple[float, float]:
    """Mean distance of ``samples`` from the line between a colour and its stripes, and the share that is striped."""
    base = np.array(world.COLORS[color], float)
    line = (STRIPE_SHADE - 1) * base
    along = np.clip((samples - base) @ line / (line @ line), 0, 1)
    error = np.linalg.norm(samples - base - along[:, None] * line, axis=1)
    return float(error.mean() + 8 * np.mean(np.minimum(along, 1 - along))), float((along > 0.5).mean())
