"""What the kinds of trials that make edits have in common: a small model, and edits of many methods on it."""

import random
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from flowedit_grag import Editor, load
from flowedit_grag.backbone.families.flux_transformer import PROCESSORS

GOLDEN = Path(__file__).parents[1] / "golden"
WORDS = {"source_prompt": "a cat on a mat", "target_prompt": "a dog on a mat"}
METHODS = {  # with few steps, and hooks where the method has any
    "flowedit": {"steps": 4, "n_max": 3, "injection": "vital", "vital_layers": [0, 2]},
    "stableflow+": {"steps": 2, "vital_layers": [0, 2], "grag": 1.4},
    "rf-solver-edit": {"steps": 2},
    "icedit-t2i": {"steps": 2, "width": 32, "prompt": "descriptive"},
    "direct-edit": {"steps": 3, "inject_steps": 1},
    "flowslider": {"steps": 4, "n_max": 3, "scale": 1.5},
    "sdedit": {"steps": 4},
}


@cache
def model():
    """The tiny FLUX, loaded once."""
    return load(GOLDEN / "tiny_flux")


def edit(method, number, on_progress=None):
    """The pixels of edit ``number`` of a method, by an editor of its own."""
    pixels = np.random.default_rng(number).integers(0, 256, (32, 48, 3), np.uint8)
    editor = Editor(method, model(), **METHODS[method])
    result = editor.edit(Image.fromarray(pixels), **WORDS, seed=number, on_progress=on_progress)
    return np.asarray(result.image), result.nfe


@cache
def alone(method, number):
    """The same edit with nobody else at work."""
    return edit(method, number)


def some(rng: random.Random) -> tuple[str, int]:
    """A method and the number of an edit."""
    return rng.choice(list(METHODS)), rng.randrange(4)


def check(made, method, number) -> None:
    """An edit is what it is alone, and has left nothing in the model."""
    pixels, nfe = alone(method, number)
    assert np.array_equal(made[0], pixels), f"{method} {number}: another picture"
    assert made[1] == nfe, f"{method} {number}: {made[1]} evaluations, and {nfe} alone"


def check_processors() -> None:
    assert all(type(layer.processor) in PROCESSORS for layer in model().attention().values())
