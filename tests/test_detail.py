"""Large pictures: what did not change keeps its own pixels; nothing that was edited is lost by it."""

import warnings

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter

from flowedit_grag import Editor, InputError
from flowedit_grag.lab.oracle import read
from flowedit_grag.lab.render import render
from flowedit_grag.lab.tasks import sample_edit

LARGE = (512, 384)


def textured(scene, size=LARGE):
    """The scene with a fine texture that is gone at the model's size."""
    noise = np.random.default_rng(0).standard_normal((size[1], size[0], 1))
    return Image.fromarray(np.clip(render(scene, size) + 12 * fine(noise), 0, 255).round().astype(np.uint8))


def fine(pixels):
    """What is left of ``[H, W, C]`` without its coarse part."""
    return pixels - gaussian_filter(pixels, (2, 2, 0))


def pixels(image):
    return np.asarray(image, float)


@pytest.fixture(scope="module")
def shape():
    """A square problem: one item becomes another shape."""
    return sample_edit(np.random.default_rng([900, 1, 1]), "shape")


def words(edit):
    return {"source_prompt": edit.source_prompt, "target_prompt": edit.target_prompt}


@pytest.mark.parametrize("size", [LARGE, (300, 401), (900, 140)])
def test_no_steps_give_the_source_back_exactly(lab, shape, size):
    source = textured(shape.source, size)
    with pytest.warns(UserWarning, match="nothing was changed"):
        result = Editor("flowedit", lab, n_max=0).edit(source, **words(shape))
    assert np.array_equal(pixels(result.image), pixels(source))
    assert result.settings["detail"] == {"asked": "original", "scaled_down": True, "kept": [1.0]}
    with pytest.warns(UserWarning, match="nothing was changed"):
        blurred = Editor("flowedit", lab, n_max=0).edit(source, **words(shape), detail="model")
    assert fine(pixels(blurred.image)).std() < 0.3 * fine(pixels(source)).std()


@pytest.fixture(scope="module")
def large(lab, shape):
    """The source, its edit with the model's own pixels, and with the original's."""
    source, editor = textured(shape.source, (512, 512)), Editor("flowedit", lab)
    edits = [editor.edit(source, **words(shape), seed=1, detail=detail) for detail in ("model", "original")]
    return source, *edits


def test_a_fine_texture_beside_an_edit_is_kept(shape, large):
    source, model, original = large
    touched = (pixels(render(shape.source, source.size)) != pixels(render(shape.target, source.size))).any(-1)
    beside = ~maximum_filter(touched, 65)
    assert beside.mean() > 0.3
    energy = [fine(pixels(image))[beside].std() for image in (source, model.image, original.image)]
    assert energy[1] < 0.1 * energy[0]
    assert energy[2] > 0.95 * energy[0]
    assert 0.3 < original.settings["detail"]["kept"][0] < 1
    assert model.settings["detail"] == {"asked": "model", "scaled_down": True, "kept": [0.0]}


def test_the_edit_stays_and_the_old_object_does_not_show_through(shape, large):
    source, model, original = large
    differs = np.abs(pixels(render(shape.source, source.size)) - pixels(render(shape.target, source.size))).max(-1) > 50
    assert np.abs(pixels(original.image) - pixels(model.image))[differs].max() <= 2
    small = [np.asarray(result.image.resize((128, 128), Image.Resampling.LANCZOS)) for result in (model, original)]
    assert read(small[0]).items == read(small[1]).items
    assert read(small[1]).items[0].shape == shape.target.items[0].shape


def test_small_pictures_are_as_before(lab, shape):
    source, editor = Image.fromarray(render(shape.source)), Editor("flowedit", lab, steps=4, n_max=3)
    one, other = (editor.edit(source, **words(shape), detail=detail) for detail in ("original", "model"))
    assert np.array_equal(pixels(one.image), pixels(other.image))
    assert one.settings["detail"] == {"asked": "original", "scaled_down": False, "kept": None}


@pytest.mark.parametrize("size", [(400, 300), (96, 200)])
@pytest.mark.parametrize("name", ["icedit", "icedit-t2i"])
def test_diptychs_keep_detail_too(tiny_for, name, size):
    source = Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    editor = Editor(name, tiny_for(name), steps=1, width=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        original = editor.edit(source, instruction="make it blue")
        model = editor.edit(source, instruction="make it blue", detail="model")
    assert original.image.size == model.image.size == size
    assert original.settings["detail"]["scaled_down"]
    assert original.settings["detail"]["kept"][0] >= 0


def test_every_image_of_a_sweep_keeps_it(lab, shape):
    source = textured(shape.source)
    strip = Editor("stableflow+", lab, steps=3).sweep(source, **words(shape), delta=[1.0, 2.0])
    assert all(image.size == LARGE for image in strip.images)
    assert len(strip.settings["detail"]["kept"]) == 2


def test_nothing_but_the_two_can_be_asked_for(lab, shape):
    with pytest.raises(InputError, match="did you mean 'model'"):
        Editor("flowedit", lab).edit(Image.fromarray(render(shape.source)), **words(shape), detail="modell")


def test_an_edit_that_changes_nothing_is_said_and_others_are_not(lab, tiny_fill, shape, monkeypatch):
    source, target = Image.fromarray(render(shape.source)), words(shape)["target_prompt"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Editor("flowedit", lab, steps=4, n_max=3).edit(source, **words(shape)).settings["unchanged"] == []
    idle = Editor("flowedit", lab, n_max=0)
    with pytest.warns(UserWarning, match="nothing was changed of edits 1, 2: "):
        idle.edit(source, source_prompt=shape.source_prompt, target_prompt=[target, target])
    with pytest.warns(UserWarning, match="nothing was changed"):
        strip = idle.sweep(source, **words(shape), delta=[1, 2])
    assert strip.settings["unchanged"] == [0, 1]
    grey = Image.new("RGB", (64, 64), "grey")
    monkeypatch.setattr(type(tiny_fill), "decode", lambda *_: Image.new("RGB", (128, 64), "grey"))
    with pytest.warns(UserWarning, match="nothing was changed"):
        Editor("icedit", tiny_fill, steps=1, width=64).edit(grey, instruction="make it blue")
