"""The lab's CLIP: a network that sees what scenes state, judges edits by it, and is sometimes wrong."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from flowedit_grag import InputError
from flowedit_grag.embedded import ENCODERS
from flowedit_grag.experiments import fingerprint
from flowedit_grag.experiments.fingerprint import of_judge, of_metric
from flowedit_grag.judges import judge
from flowedit_grag.lab import world
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.render import render
from flowedit_grag.lab.scene import JITTER, TILT
from flowedit_grag.lab.splits import problems, scenes
from flowedit_grag.metrics import Images, measure, metric, metrics

SAMPLE = scenes("validation", 40)
EDITS = problems("validation", 4)


def drawn(scene):
    return Image.fromarray(render(scene))


def score(scene, text):
    pixels = render(scene)
    return metric("lab_clip_t")(Images(edited=pixels, source=pixels, target_prompt=text))


@pytest.mark.parametrize("name", [*world.ATTRIBUTES, "background"])
def test_captions_that_differ_in_one_attribute_are_told_apart(name):
    rng, right = np.random.default_rng(0), []
    for scene in SAMPLE:
        values = world.BACKGROUNDS if name == "background" else world.ATTRIBUTES[name]
        if name == "position":
            values = world.OPPOSITE if len(scene.items) == 1 else ()
        own = scene.background if name == "background" else getattr(scene.items[0], name)
        others = [value for value in values if value != own]
        if not others:
            continue
        said = str(rng.choice(others))
        if name == "background":
            other = replace(scene, background=said)
        else:
            other = replace(scene, items=(replace(scene.items[0], **{name: said}), *scene.items[1:]))
        right.append(score(scene, caption(scene)) > score(scene, caption(other)))
    assert len(right) > 20
    assert np.mean(right) >= 0.85


def test_the_judge_finds_the_edit_that_was_asked_for():
    chosen, over_source, over_others = judge("lab-clip"), [], []
    for edit, another in zip(EDITS, EDITS[1:] + EDITS[:1], strict=True):
        source, truth = drawn(edit.source), drawn(edit.target)
        there, back = chosen(edit.instruction, source, truth, source), chosen(edit.instruction, source, source, truth)
        assert (there.winner, back.winner) in ((1, 2), (2, 1))
        over_source.append(there.winner == 1)
        over_others.append(chosen(edit.instruction, source, drawn(another.target), truth).winner == 2)
    assert np.mean(over_source) >= 0.9
    assert np.mean(over_others) >= 0.95


def test_what_no_text_says_does_not_outweigh_an_edit_that_is_not_quite_made():
    chosen, rng, right = judge("lab-clip"), np.random.default_rng(0), []
    for edit in EDITS:
        source, target = render(edit.source), render(edit.target)
        faint = Image.fromarray((0.55 * target + 0.45 * source).astype(np.uint8))
        items = tuple(
            replace(item, offset=tuple(rng.uniform(-JITTER, JITTER, 2)), angle=rng.uniform(-TILT, TILT), shade=0.96)
            for item in edit.target.items
        )
        moved = replace(edit.target, items=items, gradient_angle=rng.uniform(0, 6), shade=rng.uniform(0.94, 1.04))
        right.append(chosen(edit.instruction, Image.fromarray(source), drawn(moved), faint).winner == 1)
    assert np.mean(right) >= 0.85


def test_equal_pictures_tie_and_unknown_words_leave_it_undecided():
    edit = EDITS[0]
    picture = drawn(edit.target)
    assert judge("lab-clip")(edit.instruction, drawn(edit.source), picture, picture.copy()).tie
    verdict = judge("lab-clip")("make the cat a dog", drawn(edit.source), picture, drawn(edit.source))
    assert verdict.winner is None
    assert not verdict.tie
    assert "does not know" in verdict.reason


def test_names():
    assert judge("lab-clip") is judge("lab-clip")
    edit = EDITS[0]
    there = judge("clip:lab-clip")("a large red star", drawn(edit.source), drawn(edit.target), drawn(edit.source))
    assert there.winner in (1, 2)
    with pytest.raises(InputError, match="say 'lab-clip', not 'lab-clip:large'"):
        judge("lab-clip:large")


def test_clip_i_and_clip_t_of_the_lab():
    chosen, edit = metrics(["lab_clip_t", "lab_clip_i", "lab_clip_i_truth"]), EDITS[0]
    source, truth = render(edit.source), render(edit.target)
    common = {"source": source, "truth": truth, "target_prompt": edit.target_prompt}
    right, wrong = (measure(chosen, Images(edited=edited, **common)) for edited in (truth, source))
    assert right["lab_clip_t"] > wrong["lab_clip_t"]
    assert right["lab_clip_i"] < wrong["lab_clip_i"] == pytest.approx(1)
    assert wrong["lab_clip_i_truth"] < right["lab_clip_i_truth"] == pytest.approx(1)
    assert all(str(ENCODERS["lab-clip"]) not in one.variant for one in chosen)


def test_runs_know_the_weights(monkeypatch, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"others")
    before = [of_judge("lab-clip"), of_judge("clip:lab-clip"), of_metric(metric("lab_clip_t"))]
    assert before[0] == before[1] != {}
    fingerprint._folder.cache_clear()
    monkeypatch.setitem(ENCODERS, "lab-clip", tmp_path)
    after = [of_judge("lab-clip"), of_judge("clip:lab-clip"), of_metric(metric("lab_clip_t"))]
    fingerprint._folder.cache_clear()
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert of_judge("lab") == {}


def test_what_ships_is_small():
    assert sum(file.stat().st_size for file in ENCODERS["lab-clip"].iterdir()) <= 3_000_000
