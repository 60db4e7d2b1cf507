"""The oracle: reads a scene back out of any image by comparing it with what the renderer would draw.

There is no trained network here. Whatever does not look like something the renderer draws is unreadable (``None``):
the oracle never guesses.
"""

from dataclasses import astuple, dataclass

import numpy as np
from scipy import ndimage

from . import world
from .render import STRIPE_SHADE
from .scene import Scene
from .templates import read_shape

BACKGROUND_TOLERANCE = 45.0  # RGB distance of a fitted background from its palette
FOREGROUND_DISTANCE = 22.0  # RGB distance from the fitted background at which a pixel is an item's
SMALLEST_ITEM = 0.006  # of the image; less is a speck
SPECKS_ALLOWED = 0.01  # of the image: more of them is a mess, not a scene
POSITION_TOLERANCE = 0.11  # of the image sides
COLOR_TOLERANCE = 38.0  # mean RGB distance of an item's pixels from what the renderer would draw
STRIPED_BETWEEN = (0.22, 0.78)  # share of the darker stripes
LIGHTS = (0.88, 0.93, 0.98, 1.02)  # brightness that the renderer's shades and light come to
RADIUS_LIMITS = (0.085, 0.25)  # / shorter side; outside, an item is neither small nor large


@dataclass(frozen=True)
class ItemReading:
    """What an item looks like, attribute by attribute as in :data:`world.ATTRIBUTES`; ``None`` is unreadable."""

    shape: str | None
    color: str | None
    size: str | None
    position: str | None
    fill: str | None


@dataclass(frozen=True)
class Reading:
    """What a picture shows. ``items`` is ``None`` where they cannot be told apart, ``background`` where it is none."""

    background: str | None
    items: tuple[ItemReading, ...] | None

    @property
    def readable(self) -> bool:
        """Whether every attribute could be read."""
        return None not in (self.background, self.items, *(each for item in self.items or () for each in astuple(item)))

    def item_at(self, position: str | None) -> ItemReading | None:
        """The item that stands at ``position``, if it is one."""
        return next((item for item in self.items or () if position and item.position == position), None)

    def shows(self, scene: Scene) -> bool:
        """Whether every stated attribute of ``scene``, and nothing else, was read."""
        if not self.readable or self.background != scene.background:
            return False
        return sorted(map(astuple, self.items or ())) == sorted(tuple(item.stated.values()) for item in scene.items)


def read(image: np.ndarray) -> Reading:
    """Read ``image`` ``[H, W, 3]`` uint8, of any size."""
    pixels = np.asarray(image, float)
    ground = fit_background(pixels)
    distance = np.linalg.norm(pixels - ground, axis=-1)
    parts = components(distance > FOREGROUND_DISTANCE)
    items = None if parts is None else tuple(_read_item(pixels, ground, part) for part in parts)
    return Reading(_read_background(ground, distance), items)


def fit_background(pixels: np.ndarray) -> np.ndarray:
    """The linear gradient that most of the border, then most of the picture, lies on, ``[H, W, 3]``."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    design = np.stack([np.ones(x.size), x.ravel() / width - 0.5, y.ravel() / height - 0.5], axis=1)
    flat = pixels.reshape(-1, 3)
    border = ((x < 2) | (y < 2) | (x >= width - 2) | (y >= height - 2)).ravel()
    near = border
    for tolerance in (60.0, 40.0, 30.0, 24.0, 20.0, 20.0):
        fit = np.linalg.lstsq(design[near], flat[near], rcond=None)[0]
        residual = np.linalg.norm(flat - design @ fit, axis=1)
        candidates = residual < tolerance
        near = candidates if candidates.sum() > 50 else border
    return (design @ fit).reshape(pixels.shape)


def _read_background(ground: np.ndarray, distance: np.ndarray) -> str | None:
    if (distance < FOREGROUND_DISTANCE).mean() < 0.5:
        return None  # most of the picture is not the gradient that was fitted
    mean = ground.mean(axis=(0, 1))
    far = {name: np.linalg.norm(mean - np.mean(ends, axis=0)) for name, ends in world.BACKGROUNDS.items()}
    best = min(far, key=far.__getitem__)
    return best if far[best] < BACKGROUND_TOLERANCE else None


def components(mask: np.ndarray) -> list[np.ndarray] | None:
    """Masks of up to two items; ``None`` if there are more, or too many specks to be sure."""
    labels, _ = ndimage.label(ndimage.binary_closing(np.pad(mask, 3), iterations=2)[3:-3, 3:-3])
    areas = np.bincount(labels.ravel())[1:] / mask.size
    large = areas >= SMALLEST_ITEM
    if large.sum() > 2 or areas[~large].sum() > SPECKS_ALLOWED:
        return None
    return [(labels == 1 + index) & mask for index in np.flatnonzero(large)]


def _read_item(pixels: np.ndarray, ground: np.ndarray, part: np.ndarray) -> ItemReading:
    height, width = part.shape
    color, fill = _read_color(pixels, part)
    # a blurred edge lies where half of the item's contrast is left; dark stripes need the lower limit
    contrast = np.linalg.norm(pixels - ground, axis=-1)
    strong = part & (contrast > np.median(contrast[part]) / 2)
    fitted = max(read_shape(part), read_shape(strong), key=lambda fitted: fitted.overlap)
    size = None
    if fitted.shape is not None and RADIUS_LIMITS[0] < fitted.radius / min(height, width) < RADIUS_LIMITS[1]:
        limit = float(np.prod(list(world.SIZES.values()))) ** 0.5  # geometric mean
        size = "small" if fitted.radius / min(height, width) < limit else "large"
    position = _position(fitted.center[0] / width, fitted.center[1] / height)
    return ItemReading(fitted.shape, color, size, position, fill)


def _read_color(pixels: np.ndarray, part: np.ndarray) -> tuple[str | None, str | None]:
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


def _position(x: float, y: float) -> str | None:
    far = {name: max(abs(x - px), abs(y - py)) for name, (px, py) in world.POSITIONS.items()}
    best = min(far, key=far.__getitem__)
    return best if far[best] < POSITION_TOLERANCE else None
