"""Editing tasks whose right answer can be drawn: source scene, target scene, instruction, mask."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_dilation

from . import world
from .captions import PLACES, caption, noun_phrase
from .render import coverage, render
from .scene import Item, Scene, sample_item, sample_scene

MASK_MARGIN = 3  # pixels around what changes: the blur of the VAE

INSTRUCTIONS = {
    "color": ("make the {shape} {value}", "change the color of the {shape} to {value}"),
    "shape": ("turn the {shape} into a {value}", "replace the {shape} with a {value}"),
    "size": ("make the {shape} {value}",),
    "background": ("change the background to {value}", "make it a {value} background"),
    "add": ("add a {value}",),
    "remove": ("remove the {shape}",),
    "move": ("move the {shape} to the {value}",),
    "style": ("make the {shape} {value}",),
}

TASKS = tuple(INSTRUCTIONS)
FIELDS = {"color": "color", "shape": "shape", "size": "size", "move": "position", "style": "fill"}  # what one changes


@dataclass(frozen=True)
class EditingProblem:
    """One editing problem with its ground truth."""

    task: str
    source: Scene
    target: Scene
    instruction: str

    @property
    def source_prompt(self) -> str:
        return caption(self.source)

    @property
    def target_prompt(self) -> str:
        return caption(self.target)

    def images(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Source and target ``[H, W, 3]`` uint8, and the mask ``[H, W]`` bool of what may change."""
        return render(self.source), render(self.target), self.mask()

    def mask(self) -> np.ndarray:
        """Where target may differ from source: the changed items before and after, or all but the items."""
        if self.task == "background":
            return np.all([coverage(item) < 1 for item in self.source.items], axis=0)
        changed = set(self.source.items) ^ set(self.target.items)
        touched = np.any([coverage(item) > 0 for item in changed], axis=0)
        return binary_dilation(touched, iterations=MASK_MARGIN)


def sample_edit(rng: np.random.Generator, task: str | None = None) -> EditingProblem:
    """Draw an editing problem; ``task`` is one of ``TASKS`` (drawn too where not given)."""
    task = task or str(rng.choice(TASKS))
    source, shape, said = _source(rng, task), "", ""
    if task == "background":
        said = _other(rng, world.BACKGROUNDS, source.background)
        target = replace(source, background=said)
    elif task == "add":
        item = sample_item(rng, world.OPPOSITE[source.items[0].position])
        said = f"{noun_phrase(item)} {PLACES[item.position][0]}"
        target = replace(source, items=(*source.items, item))
    else:
        index = int(rng.integers(len(source.items)))
        item, changed = source.items[index], []
        if task != "remove":
            field = FIELDS[task]
            value = _other(rng, world.ATTRIBUTES[field], getattr(item, field))
            changed, said = [Item(**{**vars(item), field: value})], world.SAID.get(value, value)
        target = replace(source, items=(*source.items[:index], *changed, *source.items[index + 1 :]))
        shape = item.shape
    instruction = str(rng.choice(INSTRUCTIONS[task])).format(shape=shape, value=said)
    return EditingProblem(task, source, target, instruction)


def _source(rng: np.random.Generator, task: str) -> Scene:
    """A scene in which the task makes sense: nothing to run into, and "the star" names one item."""
    while True:
        scene = sample_scene(rng, items=1 if task in ("add", "move") else int(rng.integers(1, 3)))
        told_apart = len({item.shape for item in scene.items}) == len(scene.items)
        if told_apart and (task != "add" or scene.items[0].position in world.OPPOSITE):
            return scene


def _other(rng: np.random.Generator, values, current: str) -> str:
    return str(rng.choice([value for value in values if value != current]))
