"""Draw a scene at any size, anti-aliased by signed distance (pixels, negative inside)."""

import numpy as np

from . import world
from .scene import Item, Scene

RING_HOLE = 0.55  # inner radius / outer radius
STAR_WAIST = 0.45  # inner radius / outer radius
SQUARE_SIDE = 0.86  # half side / radius: squares and triangles look as large as circles of the same size
TRIANGLE_REACH = 1.15  # circumscribed radius / radius
STRIPES = 4  # across an item's diameter
STRIPE_SHADE = 0.55  # brightness of every other stripe: pale ones would break the silhouette on pale backgrounds
SIZE = (world.IMAGE_SIZE, world.IMAGE_SIZE)


def pixel_grid(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centers ``(x, y)``, each ``[height, width]``, for ``size = (width, height)``."""
    y, x = np.mgrid[: size[1], : size[0]]
    return x + 0.5, y + 0.5


def polygon_distance(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Signed distance to a closed polygon with ``corners`` ``[n, 2]``."""
    nearest = np.full(x.shape, np.inf)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ex, ey, px, py = bx - ax, by - ay, x - ax, y - ay
        along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (px - along * ex) ** 2 + (py - along * ey) ** 2)
        crosses = (ay > y) != (by > y)
        inside ^= crosses & (px < ex * (y - ay) / np.where(crosses, ey, 1))
    return np.sqrt(nearest) * np.where(inside, -1, 1)


def _corners(shape: str, radius: float) -> np.ndarray:
    count, reach = {
        "square": (4, [SQUARE_SIDE * 2**0.5]),
        "triangle": (3, [TRIANGLE_REACH]),
        "star": (10, [TRIANGLE_REACH, TRIANGLE_REACH * STAR_WAIST]),
    }[shape]
    turn = np.arange(count) / count * 2 * np.pi - np.pi / (4 if shape == "square" else 2)
    return radius * np.resize(reach, count)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def shape_distance(shape: str, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance to ``shape`` centered at the origin and upright."""
    if shape == "circle":
        return np.hypot(x, y) - radius
    if shape == "ring":
        middle, half = radius * (1 + RING_HOLE) / 2, radius * (1 - RING_HOLE) / 2
        return np.abs(np.hypot(x, y) - middle) - half
    return polygon_distance(x, y, _corners(shape, radius))


def coverage(item: Item, size: tuple[int, int] = SIZE) -> np.ndarray:
    """How much of each pixel the item covers, 0..1, ``[height, width]``."""
    x, y, radius = _local(item, size)
    c, s = np.cos(item.angle), np.sin(item.angle)
    return np.clip(0.5 - shape_distance(item.shape, c * x + s * y, c * y - s * x, radius), 0, 1)


def _local(item: Item, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, float]:
    x, y = pixel_grid(size)
    return x - item.center[0] * size[0], y - item.center[1] * size[1], world.SIZES[item.size] * min(size)


def _paint(item: Item, size: tuple[int, int]) -> np.ndarray:
    """The item's colour at every pixel, ``[height, width, 3]``: lit from above, striped if asked."""
    x, y, radius = _local(item, size)
    base = np.array(world.COLORS[item.color], float)
    color = np.broadcast_to(base, (*x.shape, 3))
    if item.fill == "striped":
        across = (np.cos(item.stripe_angle) * x + np.sin(item.stripe_angle) * y) / (2 * radius / STRIPES)
        edge = (np.abs(np.mod(across, 2) - 1) - 0.5) * 2 * radius / STRIPES  # signed distance to a stripe's edge
        color = base * (1 - np.clip(0.5 + edge, 0, 1)[..., None] * (1 - STRIPE_SHADE))
    light = item.shade - 0.05 * np.clip(y / radius, -1, 1)
    return color * light[..., None]


def background(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    """The scene without items, ``[height, width, 3]`` float."""
    x, y = pixel_grid(size)
    along = np.cos(scene.gradient_angle) * (x / size[0] - 0.5) + np.sin(scene.gradient_angle) * (y / size[1] - 0.5)
    t = np.clip(along / 1.2 + 0.5, 0, 1)[..., None]
    start, end = (np.array(color, float) for color in world.BACKGROUNDS[scene.background])
    return (start + t * (end - start)) * scene.shade


def render(scene: Scene, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Draw ``scene`` as ``[height, width, 3]`` uint8 for ``size = (width, height)``."""
    image = background(scene, size)
    for item in scene.items:
        alpha = coverage(item, size)[..., None]
        image = image + alpha * (_paint(item, size) - image)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
