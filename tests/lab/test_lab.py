"""The lab's world, its tasks and its oracle."""

import json

import numpy as np
import pytest
from PIL import Image

from flowedit_grag.errors import InputError
from flowedit_grag.lab import world
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.export import write_edit
from flowedit_grag.lab.grade import grade
from flowedit_grag.lab.oracle import read
from flowedit_grag.lab.render import render
from flowedit_grag.lab.scene import Item, Scene, sample_scene
from flowedit_grag.lab.tasks import TASKS, sample_edit
from flowedit_grag.tokenize import tokenize
from recipes.lab.model import vocabulary


def scenes(count, seed=0):
    drawn = (np.random.default_rng((seed, index)) for index in range(count))
    return [sample_scene(rng, int(rng.choice(3, p=(0.03, 0.67, 0.3)))) for rng in drawn]


def test_oracle_reads_clean_renders():
    wrong = [scene for scene in scenes(400) if not read(render(scene)).shows(scene)]
    assert len(wrong) <= 0.005 * 400, wrong[:3]


@pytest.mark.parametrize("size", [(128, 128), (160, 96), (256, 256)])
def test_oracle_reads_other_sizes(size):
    sample = [scene for scene in scenes(30, seed=1) if len(scene.items) == 1]
    right = [read(render(scene, size)).shows(scene) for scene in sample]
    assert np.mean(right) >= 0.95


def test_oracle_does_not_guess():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    assert not read(noise).readable
    grey = np.full((128, 128, 3), 128, np.uint8)
    assert read(grey).background is None
    scene = Scene((Item("star", "red", "large", "center"),), "sky")
    melted = np.asarray(Image.fromarray(render(scene)).resize((6, 6)).resize((128, 128), Image.Resampling.BICUBIC))
    (item,) = read(melted).items or (None,)
    assert item is None or item.shape != "star"
    pixels = render(scene)
    pixels[56:72, 20:110] = (36, 160, 200)  # a bar across the star, in no colour of the lab
    assert not read(pixels).readable


def test_oracle_notices_every_attribute():
    base = Item("star", "red", "large", "left")
    scene = Scene((base,), "night")
    for field, values in world.ATTRIBUTES.items():
        for value in values:
            if value == getattr(base, field):
                continue
            other = Scene((Item(**{**base.stated, field: value}),), "night")
            assert not read(render(other)).shows(scene)
            assert read(render(other)).shows(other)


def test_nuisance_is_not_in_the_caption():
    a = Scene((Item("ring", "blue", "small", "top", offset=(0.03, 0.02), angle=0.2, shade=0.95),), "sand", 1.0, 0.96)
    b = Scene((Item("ring", "blue", "small", "top"),), "sand")
    assert caption(a) == caption(b)
    assert not np.array_equal(render(a), render(b))


def test_captions_name_every_attribute_and_use_only_known_words():
    known = set(vocabulary())
    for scene in scenes(200):
        for text in (caption(scene), caption(scene, np.random.default_rng(1))):
            assert set(tokenize(text)) <= known
            for item in scene.items:
                assert {item.shape, item.color, item.size} <= set(tokenize(text))
            assert scene.background in tokenize(text)


@pytest.mark.parametrize("task", TASKS)
def test_tasks_have_exact_ground_truth(task):
    for seed in range(12):
        edit = sample_edit(np.random.default_rng(seed), task)
        source, target, mask = edit.images()
        assert np.array_equal(source[~mask], target[~mask])
        assert (source[mask] != target[mask]).any()
        assert mask.any()
        assert not mask.all()
        assert edit.source_prompt != edit.target_prompt
        assert set(tokenize(edit.instruction)) <= set(vocabulary())
        done, undone = grade(edit, target), grade(edit, source)
        assert done.success
        assert done.kept
        assert not undone.success


@pytest.mark.parametrize("task", ["color", "background", "shape", "size", "style"])
def test_grades_see_collateral_damage(task):
    from dataclasses import replace

    for seed in range(6):
        edit = sample_edit(np.random.default_rng(seed), task)
        field, value = ("color", "white") if task != "color" else ("shape", "ring")
        first = edit.target.items[0]
        value = value if getattr(first, field) != value else {"color": "red", "shape": "star"}[field]
        damaged = replace(edit.target, items=(replace(first, **{field: value}), *edit.target.items[1:]))
        assert not grade(edit, render(damaged)).kept


def test_scenes_are_seeded():
    assert scenes(5) == scenes(5)
    assert scenes(5) != scenes(5, seed=1)


def test_written_problem_is_complete(tmp_path):
    folder = write_edit(tmp_path / "a" / "b", seed=7, task="color")
    assert sorted(path.name for path in folder.iterdir()) == ["mask.png", "scene.json", "source.png", "target.png"]
    facts = json.loads((folder / "scene.json").read_text())
    assert facts["task"] == "color"
    assert {"source_prompt", "target_prompt", "instruction", "seed", "source", "target"} <= set(facts)
    with Image.open(folder / "source.png") as source:
        assert source.size == (world.IMAGE_SIZE, world.IMAGE_SIZE)
    first = (folder / "source.png").read_bytes()
    assert (write_edit(tmp_path / "again", 7, "color") / "source.png").read_bytes() == first
    with pytest.raises(InputError, match="did you mean 'color'"):
        write_edit(tmp_path / "c", 7, "colour")
