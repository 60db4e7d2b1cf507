"""Scenes: what a caption states, and the nuisance detail that it does not."""

from dataclasses import dataclass

import numpy as np

from . import world

JITTER = 0.04  # largest displacement of an item from its position, / image sides
TILT = 0.25  # largest rotation, radians


@dataclass(frozen=True)
class Item:
    """One object. The first five fields are stated by captions, the others are nuisance."""

    shape: str
    color: str
    size: str
    position: str
    fill: str = "flat"
    offset: tuple[float, float] = (0.0, 0.0)  # from the position, / image sides
    angle: float = 0.0  # radians
    shade: float = 1.0  # brightness
    stripe_angle: float = 0.0  # radians

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) in units of the image sides."""
        x, y = world.POSITIONS[self.position]
        return x + self.offset[0], y + self.offset[1]

    @property
    def stated(self) -> dict[str, str]:
        """The attributes that a caption can name."""
        return {name: getattr(self, name) for name in world.ATTRIBUTES}


@dataclass(frozen=True)
class Scene:
    """Up to two items on a background."""

    items: tuple[Item, ...]
    background: str
    gradient_angle: float = 0.0  # radians
    shade: float = 1.0


def sample_item(rng: np.random.Generator, position: str | None = None) -> Item:
    """Draw an item; ``position`` fixes where it stands."""
    return Item(
        shape=str(rng.choice(world.SHAPES)),
        color=str(rng.choice(list(world.COLORS))),
        size=str(rng.choice(list(world.SIZES))),
        position=position or str(rng.choice(list(world.POSITIONS))),
        fill="striped" if rng.random() < 0.25 else "flat",
        offset=(float(rng.uniform(-JITTER, JITTER)), float(rng.uniform(-JITTER, JITTER))),
        angle=float(rng.uniform(-TILT, TILT)),
        shade=float(rng.uniform(0.92, 1.0)),
        stripe_angle=float(rng.uniform(-TILT, TILT)),
    )


def sample_scene(rng: np.random.Generator, items: int) -> Scene:
    """Draw a scene of 0, 1 or 2 ``items``. Two items stand opposite each other."""
    things = [sample_item(rng)] if items == 1 else []
    if items == 2:
        first = str(rng.choice(list(world.OPPOSITE)))
        things = [sample_item(rng, first), sample_item(rng, world.OPPOSITE[first])]
    return Scene(
        items=tuple(things),
        background=str(rng.choice(list(world.BACKGROUNDS))),
        gradient_angle=float(rng.uniform(0, 2 * np.pi)),
        shade=float(rng.uniform(0.94, 1.04)),
    )
