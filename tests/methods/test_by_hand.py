"""Methods against their formulas, written out here with nothing of the package but the model's velocity."""

from itertools import pairwise

import numpy as np
import torch
from conftest import GOLDEN
from PIL import Image

from flowedit_grag import Condition, EarlyFilter, Editor, method
from flowedit_grag.judges import Verdict

VITAL = (0, 3)


def prompts(count, text=11):
    generator = torch.Generator().manual_seed(0)
    return [
        Condition(torch.randn(1, text, 32, generator=generator), torch.randn(1, 32, generator=generator))
        for _ in range(count)
    ]


def drawn(count, seed):
    """``count`` tensors shaped like latents ``[1, 16, 8, 12]``."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 16, 8, 12, generator=generator) for _ in range(count)]


def assert_same(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)  # rows of a batch round apart


def test_flowedit_with_several_draws_and_a_plain_end(tiny):
    """The mean over draws, not their sum; and both parts of the schedule at their own sigmas."""
    source, target = prompts(2)
    (x,), noise = drawn(1, seed=1), drawn(5, seed=2)
    v_source, v_target = tiny.velocity(source, 1.5), tiny.velocity(target, 5.5)
    sigmas = tiny.schedule(5, x)[2:]  # n_max = 3 of 5 steps
    z = x
    for (s0, s1), draws in zip(pairwise(sigmas[:3]), (noise[0:2], noise[2:4]), strict=True):
        differences = []
        for epsilon in draws:
            z_source = (1 - s0) * x + s0 * epsilon
            differences.append(v_target(z + z_source - x, s0) - v_source(z_source, s0))
        z = z + (s1 - s0) * (differences[0] + differences[1]) / 2
    turn, end = sigmas[2:]  # n_min = 1
    z = z - x + (1 - turn) * x + turn * noise[4]
    z = z + (end - turn) * v_target(z, turn)
    edit = method("flowedit", steps=5, n_max=3, n_min=1, n_avg=2)
    assert_same(edit(tiny, x, source=source, target=[target], noise=noise), z)


def test_stableflow_with_true_guidance_changes_the_negative_rows_too(tiny):
    """The negative prompt's row has the source's K and V as well, at the same strength: only the prompt differs."""
    source, target = prompts(2)
    (x,), delta, scale = drawn(1, seed=3), 1.6, 2.5
    negative = tiny.condition("", length=11)
    layout = tiny.layout(x, source)

    def shared(q, k, v):
        k, v = k.clone(), v.clone()
        keys = k[0, layout.image]
        mean = keys.mean(dim=0, keepdim=True)
        for row in (1, 2):  # of the target, and of the negative prompt
            k[row, layout.image] = mean + delta * (keys - mean)
            v[row, layout.image] = v[0, layout.image]
        return q, k, v

    sigmas = tiny.schedule(2, x)
    v_source, path = tiny.velocity(source, 1.0), [x]
    for s0, s1 in pairwise(sigmas[::-1]):  # ddim: the velocity at the sigma that is stepped to
        path.append(path[-1] + (s1 - s0) * v_source(path[-1], s1))
    path = path[::-1]
    v = tiny.velocity(Condition.cat([source, target, negative]), (1.0, 3.0, 3.0), hooks=dict.fromkeys(VITAL, shared))
    edited = path[0]
    for on_path, (s0, s1) in zip(path, pairwise(sigmas), strict=False):
        _, positive, other = v(torch.cat([on_path, edited, edited]), s0).split(1)
        edited = edited + (s1 - s0) * (other + scale * (positive - other))
    edit = method("stableflow", steps=2, nudge=1.0, vital_layers=VITAL, true_cfg=scale, grag=delta)
    assert_same(edit(tiny, x, source=source, target=[target]), edited)


def test_stableflow_generates_the_source_with_the_edits_guidance(tiny):
    editor = Editor(method="stableflow", model=tiny, steps=3, vital_layers=VITAL, guidance=6.0, inversion_guidance=1.0)
    ours = editor.generate(source_prompt="a cat", target_prompt="a dog", size=(96, 64), seed=4).source
    x = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(4))
    v, weak = (tiny.velocity(tiny.condition("a cat"), guidance) for guidance in (6.0, 1.0))
    image, other = x, x
    for s0, s1 in pairwise(tiny.schedule(3, x)):
        image, other = image + (s1 - s0) * v(image, s0), other + (s1 - s0) * weak(other, s0)
    assert apart(ours, tiny.decode(image)) <= 1
    assert apart(ours, tiny.decode(other)) > 1


def test_reconstruct_is_pulled_to_noise_while_inverting(tiny):
    """RF-Inversion's eq. 8: (1 - gamma) v + gamma (x - noise) / (sigma - 1), and v alone at sigma 1."""
    (source,), (x, noise), gamma = prompts(1), drawn(2, seed=5), 0.3
    v, sigmas = tiny.velocity(source, 1.0), tiny.schedule(3, x)
    z = x
    for s0, s1 in pairwise(sigmas[::-1]):
        z = z + (s1 - s0) * ((1 - gamma) * v(z, s0) + gamma * (z - noise) / (s0 - 1))
    for s0, s1 in pairwise(sigmas):
        z = z + (s1 - s0) * v(z, s0)
    edit = method("reconstruct", steps=3, solver="euler", gamma=gamma)
    assert_same(edit(tiny, x, source=source, target=[source], noise=[noise]), z)


def test_previews_of_a_resumed_edit_show_where_it_is_heading(tiny_fill):
    """After m of n steps the judge sees x - sigma v, the image that the last velocity leads to."""
    image = Image.open(GOLDEN / "source_128.png").convert("RGB").resize((64, 64))
    editor = Editor(method="icedit", model=tiny_fill, width=64, steps=5, guidance=3.0)
    early = EarlyFilter(seeds=2, steps=2, resume=True, keep_record=True, judge=lambda *images: Verdict(1, "the first"))
    result = editor.edit(image, instruction="make it red", seed=7, early_filter=early)
    for seed, preview in zip((7, 8), result.filtered.previews, strict=True):
        states = []
        editor.edit(
            image, instruction="make it red", seed=seed, on_progress=lambda made, s=states: s.append(made.latents)
        )
        sigmas = tiny_fill.schedule(5, states[0])
        velocity = (states[1] - states[0]) / (sigmas[2] - sigmas[1])
        clean = tiny_fill.decode(states[1] - sigmas[2] * velocity)
        assert apart(preview, clean.crop((64, 0, 128, 64))) <= 1


def apart(first, second):
    """The largest difference of two pictures' pixels, 0..255."""
    return np.abs(np.asarray(first, int) - np.asarray(second, int)).max()
