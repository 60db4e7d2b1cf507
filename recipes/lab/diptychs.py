"""Diptychs: a scene and what an edit makes of it, side by side, with captions that describe but never instruct."""

import numpy as np

from flowedit_grag.lab import world
from flowedit_grag.lab.captions import PLACES, caption, describe
from flowedit_grag.lab.render import render
from flowedit_grag.lab.tasks import EditingProblem
from flowedit_grag.methods.diptych_frame import DIPTYCH, IN_CONTEXT

SET_APART = 0.9  # of the captions
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


def draw(edit: EditingProblem, size: tuple[int, int] = (world.IMAGE_SIZE, world.IMAGE_SIZE)) -> np.ndarray:
    """Source and target side by side, ``[H, 2 W, 3]`` uint8 for panels of ``size = (width, height)``."""
    return np.concatenate([render(edit.source, size), render(edit.target, size)], axis=1)


def diptych_caption(edit: EditingProblem, rng: np.random.Generator) -> str:
    """Mostly what sets the right panel apart, else all that the right panel shows."""
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
