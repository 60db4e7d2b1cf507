"""The recipe of the lab's CLIP: resumable to the bit, with losses and labels that do what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from flowedit_grag.embedded import ENCODERS
from flowedit_grag.judges.lab_clip import LabCLIPJudge
from flowedit_grag.lab import world
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.render import render
from flowedit_grag.lab.scene import Item, Scene
from flowedit_grag.lab.splits import problems, scenes
from recipes.lab import clip, clip_data
from recipes.lab.reading import UNKNOWN, attributes

SAMPLE = scenes("validation", 60)
STAR, RING = Item("star", "red", "small", "left"), Item("ring", "blue", "large", "right", "striped")


def test_it_resumes_bit_for_bit_and_exports_what_a_judge_loads(monkeypatch, tmp_path):
    monkeypatch.setattr(clip, "BATCH", 2)
    monkeypatch.setattr(clip_data, "SPOILED", 2)
    for folder, stops in (("whole", [2]), ("parts", [1, 2])):
        for steps in stops:
            clip.train(tmp_path / folder, steps)
    whole, parts = (torch.load(tmp_path / name / "clip.pt")["ema"] for name in ("whole", "parts"))
    for name, weights in whole.items():
        assert all(torch.equal(value, parts[name][key]) for key, value in weights.items())
    clip.train_export(tmp_path / "whole", 1, weights=tmp_path / "weights")
    monkeypatch.setitem(ENCODERS, "lab-clip", tmp_path / "weights")
    (edit, *_), chosen = problems("validation", 1, ("color",)), LabCLIPJudge()
    pictures = [Image.fromarray(render(scene)) for scene in (edit.source, edit.target, edit.source)]
    assert chosen(edit.instruction, *pictures).winner in (1, 2)
    assert next(chosen._loaded[1].parameters()).dtype == torch.float32


def test_what_is_changed_states_something_else():
    rng, kinds = np.random.default_rng(0), set()
    for scene in SAMPLE * 5:
        other = clip_data.changed(scene, rng)
        assert other == scene or clip_data.meaning(other, False) != clip_data.meaning(scene, False)
        kinds.add((len(scene.items), len(other.items), other.background == scene.background))
        assert {item.position for item in other.items} <= set(world.POSITIONS)
        assert len({item.position for item in other.items}) == len(other.items)
    assert kinds == {(1, 0, True), (1, 1, True), (1, 1, False), (1, 2, True), (2, 1, True), (2, 2, True), (2, 2, False)}


def test_a_caption_is_true_of_the_scenes_that_it_describes():
    scene, turned = Scene((STAR, RING), "sky"), Scene((RING, replace(STAR, angle=0.2)), "sky")
    larger = Scene((replace(STAR, size="large"), RING), "sky")
    pictures, told = [scene, larger], [scene, turned, larger, scene, larger]
    found = clip_data.true_of(pictures, told, [False, False, False, True, True])
    assert found.tolist() == [[True, True, False, True, True], [False, False, True, True, True]]
    assert caption(scene) != caption(turned)


def test_facts_and_patches_say_what_a_scene_states():
    facts, count = clip_data.facts(Scene((STAR, RING), "night")), len(clip_data.SIZES)
    by_place = {place: facts[at * count :][:count] for at, place in enumerate(clip_data.SLOTS)}
    nothing = [0, *[UNKNOWN] * (count - 1)]
    assert by_place["left"] == [1, world.SHAPES.index("star"), 0, 0, 0]
    assert by_place["right"] == [1, world.SHAPES.index("ring"), list(world.COLORS).index("blue"), 1, 1]
    assert by_place["top"] == by_place["center"] == nothing
    assert facts[-1] == list(world.BACKGROUNDS).index("night")
    patches = clip_data.on_patches(Scene((STAR, RING), "night"), 16).reshape(8, 8, -1)
    assert patches[3, 1].tolist() == patches[4, 2].tolist() == attributes(STAR)
    assert patches[4, 5].tolist() == attributes(RING)  # in its hole too
    assert (patches[:2] == UNKNOWN).all()
    tokenizer, scene = clip.clip_tokenizer(), Scene((STAR, RING), "night")
    texts = [caption(scene), caption(scene, brief=True)]
    ids = tokenizer(texts, padding=True, return_tensors="pt").input_ids
    named = clip_data.on_places([scene, scene], ids, tokenizer)
    words = [tokenizer.decode(one).strip() for one in ids[0]]
    assert named[0, words.index("left")].tolist() == attributes(STAR)
    assert named[0, words.index("right")].tolist() == attributes(RING)
    assert (named[..., 0] != UNKNOWN).sum() == 2
    logits = torch.full((1, clip_data.ANSWERS), -20.0)
    at = 0
    for size, fact in zip([*clip_data.SIZES * len(clip_data.SLOTS), len(world.BACKGROUNDS)], facts, strict=True):
        if fact != UNKNOWN:
            logits[0, at + fact] = 20.0
        at += size
    known = torch.tensor([facts])
    assert clip_data.reading_loss(logits, known) < 1e-6
    assert clip_data.reading_loss(-logits, known) > 10


def test_what_is_right_costs_nothing_and_other_true_captions_are_left_out():
    class Led(nn.Module):
        def forward(self, picture, instruction):
            return seen[1::3]

    seen = torch.eye(6)  # two groups: source, target, a third
    said = torch.cat([seen, torch.zeros(6, 6), seen[1::3]])
    same = torch.eye(6, 12, dtype=torch.bool)
    scale = torch.tensor(50.0)
    assert max(clip.contrasts(scale, seen, said, same, Led())) < 1e-6
    said[6] = seen[0]  # another caption of the first picture
    assert clip.contrasts(scale, seen, said, same, Led())[0] == pytest.approx(np.log(2) / 12)
    same[0, 6] = True
    assert max(clip.contrasts(scale, seen, said, same, Led())) < 1e-6
    said[12:] = seen[::3]  # instructions that lead nowhere
    assert clip.contrasts(scale, seen, said, same, Led())[2] > 10


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_pictures_are_spoiled_as_far_as_they_are_told(monkeypatch, share):
    class Autoencoder:
        def encode(self, x):
            self.latent_dist = self
            self.latents = x
            return self

        def mode(self):
            return self.latents

        def decode(self, x):
            self.sample = x
            return self

    monkeypatch.setattr(clip_data, "SHAKEN", share)
    monkeypatch.setattr(clip_data, "SPOILED", 6)
    monkeypatch.setattr(clip_data, "LATENT_NOISE", 0.0)
    images = np.stack([render(scene) for scene in SAMPLE[:6]])
    torch.manual_seed(0)
    found = [clip_data.spoiled(images, Autoencoder(), np.random.default_rng(seed), "cpu") for seed in range(8)]
    errors = (torch.stack(found) - clip_data.pixels(images)).abs().mean(dim=(2, 3, 4))
    assert max(one.abs().max() for one in found) <= 1
    if share:
        assert (errors > 0.005).all()
    else:
        assert (errors[:, ::3] < 1e-6).all()  # a source is drawn over itself
        assert 0.3 < (errors[:, [1, 2, 4, 5]] > 1e-3).float().mean() < 0.7  # half of the others over their source
