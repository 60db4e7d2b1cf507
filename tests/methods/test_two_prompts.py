"""FlowSlider and FlowAlign, which see an edit's latents under both prompts: their formulas and what they claim."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from test_by_hand import assert_same, drawn, prompts

from benchmarks.replay import relative_error
from flowedit_grag import Editor, method
from flowedit_grag.methods.two_prompts import TwoPromptsMethod

ROUNDING = 2e-5  # rows of another batch round apart, and the difference of velocities makes more of it


def edited(flow, name, targets=1, seed=7, **options):
    source, *wanted = prompts(1 + targets)
    (x,) = drawn(1, seed=1)
    noise = torch.Generator().manual_seed(seed)
    return method(name, **options)(flow, x, source=source, target=wanted, noise=noise)


def change(z):
    """How far each edit ``[targets, C, h, w]`` is from the source."""
    return (z - drawn(1, seed=1)[0]).abs().mean((1, 2, 3)).tolist()


def by_hand(flow, x, noise, sigmas, guidance, strength, zeta, true_cfg=1.0):
    """One target; ``noise`` has a list of draws for each step."""
    source, target = prompts(2)
    v_source, v_target = flow.velocity(source, guidance[0]), flow.velocity(target, guidance[1])
    v_negative = flow.velocity(flow.condition("", 11), guidance[1])
    z = x
    for (s0, s1), draws in zip(pairwise(sigmas), noise, strict=True):
        moved = torch.zeros_like(x)
        for epsilon in draws:
            q = (1 - s0) * x + s0 * epsilon
            p = z + q - x
            wanted = v_negative(p, s0) + true_cfg * (v_target(p, s0) - v_negative(p, s0))
            v_p = v_source(p, s0) + strength * (wanted - v_source(p, s0))
            v_q = v_source(q, s0)
            moved += (s1 - s0) * (v_p - v_q) + zeta * (q - s0 * v_q - p + s0 * v_p)
        z = z + moved / len(draws)
    return z


@pytest.mark.parametrize("true_cfg", [1.0, 2.0])
def test_flowslider_is_its_formula(tiny, true_cfg):
    source, target = prompts(2)
    (x,), noise = drawn(1, seed=1), drawn(6, seed=2)
    sigmas = tiny.schedule(5, x)[2:]
    theirs = by_hand(tiny, x, [noise[0:2], noise[2:4], noise[4:6]], sigmas, (1.5, 4.0), 0.6, 0.0, true_cfg)
    edit = method("flowslider", steps=5, n_max=3, n_avg=2, scale=0.6, target_guidance=4.0, true_cfg=true_cfg)
    assert_same(edit(tiny, x, source=source, target=[target], noise=noise), theirs)


def test_flowalign_is_its_formula(tiny):
    source, target = prompts(2)
    (x,), noise = drawn(1, seed=1), drawn(3, seed=2)
    theirs = by_hand(tiny, x, [[epsilon] for epsilon in noise], tiny.schedule(3, x), (2.0, 2.0), 1.5, 0.05)
    edit = method("flowalign", steps=3, omega=1.5, zeta=0.05, guidance=2.0)
    assert_same(edit(tiny, x, source=source, target=[target], noise=noise), theirs)


@pytest.mark.parametrize(("true_cfg", "n_avg"), [(1.0, 1), (1.0, 2), (2.0, 1)])
def test_flowslider_at_one_is_flowedit(tiny, true_cfg, n_avg):
    shared = {"steps": 6, "n_max": 5, "n_avg": n_avg, "true_cfg": true_cfg, "targets": 3}
    slid = edited(tiny, "flowslider", scale=1.0, **shared)
    assert relative_error(slid, edited(tiny, "flowedit", **shared)) <= ROUNDING
    assert relative_error(edited(tiny, "flowslider", scale=0.9, **shared), slid) > 100 * ROUNDING


def test_flowslider_turns_from_the_source_further_than_flowedit(tiny):
    scales = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
    changes = [change(edited(tiny, "flowslider", targets=2, steps=6, n_max=5, scale=scale)) for scale in scales]
    assert max(changes[0]) < 1e-4
    for weaker, stronger in pairwise(changes):
        assert all(more > 1.1 * less for less, more in zip(weaker, stronger, strict=True))


@pytest.mark.filterwarnings("ignore:nothing was changed")  # which is the point
def test_flowslider_turns_pictures_of_the_lab(lab, recolor):
    """From the source, as well as the autoencoder can show it, evenly to more than FlowEdit does."""
    image = recolor.images()[0]
    words = {"source_prompt": recolor.source_prompt, "target_prompt": recolor.target_prompt}
    made = {
        scale: Editor("flowslider", lab, steps=8, n_max=7, scale=scale).edit(image, **words, seed=1).image
        for scale in (0, 0.5, 1, 2)
    }
    pixels = {scale: np.asarray(picture, float) for scale, picture in made.items()}
    shown = np.asarray(lab.decode(lab.encode(image), (128, 128)), float)
    assert np.abs(pixels[0] - shown).max() <= 1
    changes = [np.abs(picture - shown).mean() for picture in pixels.values()]
    assert changes == sorted(changes)
    assert changes[-1] > 1.2 * changes[-2] > 1.2 * changes[1]
    same = Editor("flowedit", lab, steps=8, n_max=7, target_guidance=5.5).edit(image, **words, seed=1).image
    slid = Editor("flowslider", lab, steps=8, n_max=7, target_guidance=5.5).edit(image, **words, seed=1).image
    assert np.abs(np.asarray(same, float) - np.asarray(slid, float)).max() <= 1


@pytest.mark.parametrize("omega", [0.5, 3.0])
def test_flowalign_without_its_pull_is_the_split_from_all_steps(tiny, omega):
    shared = {"steps": 5, "targets": 2}
    split = edited(tiny, "flowslider", n_max=5, scale=omega, source_guidance=1.0, target_guidance=1.0, **shared)
    assert relative_error(edited(tiny, "flowalign", zeta=0.0, omega=omega, **shared), split) <= 10 * ROUNDING


def test_flowalign_pulls_towards_the_source(tiny):
    changes = [change(edited(tiny, "flowalign", 2, steps=6, omega=2.0, zeta=zeta)) for zeta in (0, 0.01, 0.1, 0.3)]
    for freer, pulled in pairwise(changes):
        assert all(less < more for more, less in zip(freer, pulled, strict=True))
    assert max(change(edited(tiny, "flowalign", steps=6, omega=0.0))) < 1e-4


def test_targets_have_two_rows_each(tiny, monkeypatch):
    source = method("flowalign").source(tiny, *drawn(1, seed=1), *prompts(1), None)
    monkeypatch.setattr(type(tiny), "rows_that_fit", lambda *_: 8)
    assert TwoPromptsMethod().targets_at_once(source) == 3
    assert TwoPromptsMethod(true_cfg=2.0).targets_at_once(source) == 2
    monkeypatch.setattr(type(tiny), "rows_that_fit", lambda *_: 1)
    assert TwoPromptsMethod().targets_at_once(source) == 1
