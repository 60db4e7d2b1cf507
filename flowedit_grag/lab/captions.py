"""What can be said about a scene, in several phrasings."""

import numpy as np

from .scene import Item, Scene

PLACES = {
    "left": ("on the left",),
    "right": ("on the right",),
    "top": ("at the top",),
    "bottom": ("at the bottom",),
    "center": ("in the center", "in the middle"),
}

SCENES = (
    "{items} on a {background} background",
    "a picture of {items} on a {background} background",
    "{background} background with {items}",
    "{items} , {background} background",
)
EMPTY_SCENES = ("an empty {background} background", "a {background} background with nothing on it")


def noun_phrase(item: Item) -> str:
    """``large striped red star``."""
    striped = "striped " if item.fill == "striped" else ""
    return f"{item.size} {striped}{item.color} {item.shape}"


def describe(item: Item, rng: np.random.Generator | None = None, brief: bool = False) -> str:
    """``a large red star on the left``; ``brief`` leaves out size and place."""
    if brief:
        return f"a {noun_phrase(item).removeprefix(item.size + ' ')}"
    places = PLACES[item.position]
    place = places[0] if rng is None else str(rng.choice(places))
    return f"a {noun_phrase(item)} {place}"


def caption(scene: Scene, rng: np.random.Generator | None = None, brief: bool = False) -> str:
    """Describe ``scene``: the plain phrasing, or with ``rng`` any of them (the items in any order)."""
    items = list(scene.items)
    if rng is not None and rng.random() < 0.5:
        items.reverse()
    forms = SCENES if items else EMPTY_SCENES
    form = forms[0] if rng is None else str(rng.choice(forms))
    phrases = " and ".join(describe(item, rng, brief) for item in items)
    return form.format(items=phrases, background=scene.background)
