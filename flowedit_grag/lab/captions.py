"""What can be said about a scene, in several phrasings, and the lab's whole vocabulary."""

import re

import numpy as np

from ..tokenize import tokenize
from . import world
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
# What prompts of diptychs are made of besides (ICEdit, arXiv:2504.20690, Fig. 3).
DIPTYCHS = (
    "a diptych with two side-by-side images of the same scene. "
    "on the right, the scene is exactly the same as on the left but"
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


def vocabulary() -> list[str]:
    """Every word the lab's captions, instructions and diptych prompts are made of, sorted."""
    from .tasks import INSTRUCTIONS

    forms = [DIPTYCHS, *SCENES, *EMPTY_SCENES, *(form for forms in INSTRUCTIONS.values() for form in forms)]
    plain = [re.sub(r"\{\w+\}", " ", form) for form in forms]
    places = [place for options in PLACES.values() for place in options]
    values = [value for values in world.ATTRIBUTES.values() for value in values]
    known = " ".join([*plain, *places, *values, *world.BACKGROUNDS, "a an and to of it its plain without , . -"])
    return sorted(set(tokenize(known)))
