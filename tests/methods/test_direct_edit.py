"""DirectEdit: exact ways back, the source's V, and its formula."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from test_by_hand import assert_same, drawn, prompts

from benchmarks.replay import relative_error
from flowedit_grag import Condition, Editor, method

EXACT = 1e-6  # of the largest latent: float32


@pytest.mark.parametrize(("steps", "skip_steps", "inject_steps"), [(12, 0, 0), (30, 5, 0), (30, 0, 4)])
def test_the_source_comes_back(tiny, steps, skip_steps, inject_steps):
    """With the source's own prompt, whichever steps are made; the same inversion without it does not."""
    (source, other), (x,) = prompts(2), drawn(1, seed=1)
    options = {"steps": steps, "skip_steps": skip_steps, "inject_steps": inject_steps, "guidance": 1.0}
    edit = method("direct-edit", **options)
    assert relative_error(edit(tiny, x, source=source, target=[source]), x) <= EXACT
    back, edited = edit(tiny, x, source=source, target=[source, other]).split(1)
    assert relative_error(back, x) <= 3 * EXACT  # rows of another batch round apart
    assert relative_error(edited, x) > 0.1
    lossy = method("reconstruct", steps=steps, solver="ddim")(tiny, x, source=source, target=[source])
    assert relative_error(lossy, x) > 1e-3


@pytest.mark.filterwarnings("ignore:nothing was changed")  # which is the point
def test_the_source_comes_back_on_the_lab(lab, recolor):
    image = recolor.images()[0]
    editor = Editor("direct-edit", lab, steps=10, inject_steps=2, guidance=1.0)
    words = [recolor.source_prompt, recolor.target_prompt]
    back, edited = editor.edit(image, source_prompt=recolor.source_prompt, target_prompt=words).images
    shown = np.asarray(lab.decode(lab.encode(image), (128, 128)), int)
    assert np.abs(np.asarray(back, int) - shown).max() <= 1
    assert np.abs(np.asarray(edited, int) - shown).max() > 50


@pytest.mark.parametrize("skip_steps", [0, 1])
def test_it_is_its_formula(tiny, skip_steps):
    """The target sees the source's V, on all tokens, in the first step that is made; and then nothing of it."""
    (source, target), (x,), layers = prompts(2), drawn(1, seed=1), (0, 7)
    sigmas = tiny.schedule(4, x)[skip_steps:]
    v_source, path = tiny.velocity(source, 1.5), [x]
    for s0, s1 in pairwise(sigmas[::-1]):  # at the sigma that is stepped to
        path.append(path[-1] + (s1 - s0) * v_source(path[-1], s1))
    path.reverse()
    hooks = dict.fromkeys(layers, lambda q, k, v: (q, k, torch.cat([v[:1], v[:1]])))
    beside = tiny.velocity(Condition.cat([source, target]), (1.5, 3.0), hooks=hooks)
    alone, z = tiny.velocity(target, 3.0), path[0]
    for step, (s0, s1) in enumerate(pairwise(sigmas)):
        seen = z + path[step + 1] - path[step]
        v = beside(torch.cat([path[step + 1], seen]), s0)[1:] if step == 0 else alone(seen, s0)
        z = z + (s1 - s0) * v
    options = {"steps": 4, "skip_steps": skip_steps, "value_layers": layers, "inversion_guidance": 1.5, "guidance": 3.0}
    edit = method("direct-edit", inject_steps=1, **options)
    assert_same(edit(tiny, x, source=source, target=[target]), z)
    without = method("direct-edit", inject_steps=0, **options)
    assert not torch.allclose(without(tiny, x, source=source, target=[target]), z, atol=1e-2)


def test_more_skipped_steps_keep_more_of_the_source(tiny):
    (source, target), (x,) = prompts(2), drawn(1, seed=1)
    changes = [
        (method("direct-edit", steps=6, skip_steps=skip)(tiny, x, source=source, target=[target]) - x).abs().mean()
        for skip in range(6)
    ]
    assert all(less < more for more, less in pairwise(changes))
