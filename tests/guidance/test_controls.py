"""Dials: GRAG and the comparators of its paper, chosen and turned alike."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from PIL import Image

from flowedit_grag import GRAG, Condition, Editor, InputError, method
from flowedit_grag.cli.arguments import key_values
from flowedit_grag.guidance.attention_gate import AttentionGate
from flowedit_grag.guidance.attention_weight import AttentionWeight
from flowedit_grag.guidance.control import Control, ControlledGroup
from flowedit_grag.guidance.controls import CONTROLS, control, written
from flowedit_grag.methods import METHODS

TEXT, GROUP = 3, torch.tensor([3, 5, 6, 8, 9])  # of a sequence of 10 tokens
IMAGE = Image.open(GOLDEN / "source_128.png").convert("RGB")
OPTIONS = {
    "flowedit": {"steps": 3, "n_max": 3, "vital_layers": (0, 3, 8)},
    "stableflow": {"steps": 2, "vital_layers": (0, 3, 8)},
    "stableflow+": {"steps": 2, "vital_layers": (0, 3, 8)},
    "icedit": {"steps": 2, "guidance": 5.0},
    "icedit-t2i": {"steps": 2, "guidance": 2.0},
}


@dataclass(frozen=True)
class Damped(Control):
    """A dial of one's own: one that nothing in the package knows."""

    by: float

    def __call__(self, k, v, queries):
        return k / self.by, v


def attention(q, k, v, scores=lambda row, weights: weights):
    """The definition, head by head; ``scores`` may change the weights ``[queries, tokens]`` of a row."""
    out = np.zeros(q.shape)
    for row, head in np.ndindex(q.shape[0], q.shape[2]):
        logits = q[row, :, head] @ k[row, :, head].T / np.sqrt(q.shape[-1])
        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        out[row, :, head] = scores(row, weights) @ v[row, :, head]
    return out


@pytest.fixture(params=range(3))
def qkv(request):
    generator = torch.Generator().manual_seed(request.param)
    return torch.randn(3, 2, 10, 4, 8, generator=generator, dtype=torch.float64).unbind()


def arrays(tensors):
    return [tensor.numpy() for tensor in tensors]


def test_attention_weight_scales_the_scores_after_the_softmax(qkv):
    def scaled(row, weights):
        weights = weights.copy()
        if row == 1:
            weights[:, GROUP] *= 2.5
        return weights

    edit = ControlledGroup(GROUP, (None, AttentionWeight(2.5)), TEXT)
    np.testing.assert_allclose(attention(*arrays(edit(*qkv))), attention(*arrays(qkv), scaled), rtol=1e-12)


@pytest.mark.parametrize(("threshold", "kept"), [(0.8, 4), (0.4, 2), (0.0, 0)])
def test_attention_gate_lets_the_most_correlated_tokens_through(qkv, threshold, kept):
    q, k, _ = arrays(qkv)
    correlation = {
        token: max(sum(q[0, word, head] @ k[0, token, head] for head in range(4)) for word in range(TEXT))
        for token in GROUP.tolist()
    }
    through = sorted(correlation, key=correlation.get)[len(GROUP) - kept :]

    def gated(row, weights):
        shut = [token for token in GROUP.tolist() if token not in through] if row == 0 else []
        return np.where(np.isin(np.arange(10), shut), 0, weights)

    edit = ControlledGroup(GROUP, (AttentionGate(threshold),), TEXT)
    before = [tensor.clone() for tensor in qkv]
    np.testing.assert_allclose(attention(*arrays(edit(*qkv))), attention(*arrays(qkv), gated), rtol=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(qkv, before, strict=True))


def prompts(count):
    noise = torch.Generator().manual_seed(0)
    return [
        Condition(torch.randn(1, 11, 32, generator=noise), torch.randn(1, 32, generator=noise)) for _ in range(count)
    ]


def run(flow, name, targets=1, grag=None, **options):
    x = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(1))
    source, *wanted = prompts(1 + targets)
    edit = method(name, **{**OPTIONS[name], **options})
    return edit(flow, x, source=source, target=wanted, noise=torch.Generator().manual_seed(7), grag=grag)


def test_every_method_that_takes_grag_takes_dials():
    assert {name for name in METHODS if METHODS[name].takes_control} == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_dial_at_one_changes_nothing_and_elsewhere_something(tiny_for, name):
    flow = tiny_for(name)
    plain_edit = run(flow, name)
    for kind in (AttentionWeight, AttentionGate):
        assert torch.equal(run(flow, name, dial=kind(1.0)), plain_edit)
        assert not torch.equal(run(flow, name, dial=kind(0.5)), plain_edit)
    assert torch.equal(
        run(flow, name, dial={"name": "grag", "delta": 1.3}), run(flow, name, grag=[1.3])
    )  # one dial, whichever way it is named


def test_each_target_has_a_dial_of_its_own(tiny):
    dials = [AttentionWeight(2.0), None, GRAG(0.9, 1.2), AttentionGate(0.4)]
    source, target = prompts(2)
    edit = method("stableflow", **OPTIONS["stableflow"])
    x = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(1))
    together = edit(tiny, x, source=source, target=[target] * 4, grag=dials)
    alone = [edit(tiny, x, source=source, target=[target], grag=[one]) for one in dials]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)
    assert len({float(one.sum()) for one in alone}) == 4


def test_nothing_is_turned_in_layers_that_are_not_vital(tiny):
    first, second = (run(tiny, "stableflow", dial=AttentionWeight(2.0), vital_layers=layers) for layers in ((0,), (8,)))
    assert not torch.equal(first, second)
    assert torch.equal(
        run(tiny, "stableflow", dial=AttentionWeight(2.0), vital_layers=()), run(tiny, "stableflow", vital_layers=())
    )


@pytest.mark.parametrize("one", [GRAG(0.9, 1.2), AttentionWeight(7), AttentionGate(0.3), Damped(2)])
def test_plain_is_read_back(one):
    assert control(**written(one)) == one
    assert control(dial=one) is one


def test_names_have_a_home():
    assert all(issubclass(CONTROLS[name], Control) for name in CONTROLS)


def test_a_dial_of_your_own_in_an_editor(tiny):
    written = {"name": f"{__name__}:Damped", "by": 2.0}
    editor = Editor(model=tiny, **OPTIONS["stableflow+"], **key_values([f"dial.name={__name__}:Damped", "dial.by=2.0"]))
    result = editor.edit(IMAGE, source_prompt="a cat", target_prompt="a dog", seed=1)
    assert result.settings["options"]["dial"] == written
    assert result.settings["grag"] is None
    halved = Editor(model=tiny, **OPTIONS["stableflow+"], grag=(0.5, 0.5))  # the same by another name
    again = halved.edit(IMAGE, source_prompt="a cat", target_prompt="a dog", seed=1)
    assert np.abs(np.asarray(result.image, int) - np.asarray(again.image, int)).max() <= 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dial": {"name": "attention_wait", "gamma": 2}}, "'attention_weight'"),
        ({"dial": "attention_weight"}, "needs the option 'gamma'"),
        ({"dial": {"name": "attention_weight", "gama": 2}}, "'gamma'"),
        ({"dial": {"gamma": 2}}, "a name with its numbers"),
        ({"dial": 3}, "a name with its numbers"),
        ({"dial": {"name": "attention_weight", "gamma": -1}}, "gamma must be finite and not negative"),
        ({"dial": {"name": "attention_weight", "gamma": float("nan")}}, "gamma must be finite and not negative"),
        ({"dial": {"name": "attention_weight", "gamma": "strong"}}, "gamma must be a number"),
        ({"dial": {"name": "attention_gate", "threshold": 1.5}}, "at most 1"),
        ({"dial": {"name": "collections:OrderedDict"}}, "is no dial"),
        ({"dial": {"name": "attention_gate", "threshold": 0.5}, "grag": 1.1}, "give one of them"),
        (
            {"dial": {"name": "attention_gate", "threshold": 0.5}, "method": "sdedit"},
            "unknown option of the method sdedit 'dial'",
        ),
    ],
)
def test_mistakes_say_so_before_a_model_is_loaded(given, words):
    with pytest.raises(InputError, match=words):
        Editor(model="there/is/no/model", **given)


def test_a_sweep_is_grags(tiny):
    editor = Editor(model=tiny, **OPTIONS["stableflow+"], dial=AttentionWeight(2))
    with pytest.raises(InputError, match="give one of them"):
        editor.sweep(IMAGE, source_prompt="a cat", target_prompt="a dog", delta=[1.0, 1.1])
