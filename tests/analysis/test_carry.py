"""The detector of layers that carry the source."""

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from flowedit_grag import Editor, InputError
from flowedit_grag.analysis import carry, vital_layers
from flowedit_grag.analysis.sharing import Sharing, compared, disagreement

PAIRS = [("a cat", "a dog"), ("a red car", "a blue car")]
WHERE = torch.tensor([[0.0, 0.0], [1.0, 1.0]])  # the prompts disagree in the second row
PLAIN = torch.tensor([[[[1.0, -1.0], [2.0, 3.0]]]])  # what an edit changes that shares nothing


def of(*changes, layers=(0,)):
    return compared(layers, [torch.cat(changes)], [PLAIN], [WHERE])


def test_the_source_arrives_outside_and_the_edit_stays_inside():
    perfect = PLAIN * WHERE
    assert of(perfect, PLAIN) == Sharing((0,), (1.0, 0.0), (1.0, 1.0), 1.0)
    assert of(PLAIN, PLAIN).score == 0  # nothing is carried
    assert of(0 * PLAIN, 0 * PLAIN) == Sharing((0,), (1.0, 1.0), (0.0, 0.0), 0.0)  # the source itself: no edit
    assert of(PLAIN * (1 - WHERE), PLAIN).score == 0  # the wrong way round


def test_half_of_the_way_counts_what_is_left_of_both():
    assert of(PLAIN / 2, PLAIN) == Sharing((0,), (0.5, 0.0), (0.5, 1.0), 0.25)
    assert of(PLAIN / 2, PLAIN / 2).score == pytest.approx(0.125)


def test_a_dial_that_breaks_pictures_costs_what_it_breaks():
    whole, broken = PLAIN * WHERE, PLAIN * (1 + (1 - WHERE) / 2)  # half as far again outside
    assert of(whole, broken) == Sharing((0,), (1.0, -0.5), (1.0, 1.0), 0.5)


def test_no_trial_weighs_more_than_another():
    flipped = compared((0,), [0 * PLAIN, PLAIN], [100 * PLAIN, PLAIN], [WHERE, WHERE])
    assert (flipped.carried, flipped.survived, flipped.score) == ((0.5,), (0.5,), 0)


def test_prompts_that_make_no_difference_are_refused():
    with pytest.raises(InputError, match="give other pairs"):
        compared((0,), [PLAIN], [0 * PLAIN], [WHERE])


def test_prompts_disagree_where_the_lab_says_so(lab, recolor):
    latents, prompts = lab.encode(recolor.images()[0]), (recolor.source_prompt, recolor.target_prompt)
    found = disagreement(lab, lab.condition(prompts), latents, steps=10, guidance=3.5).numpy()
    cells = recolor.mask().reshape(len(found), -1, found.shape[1], 128 // found.shape[1]).mean(axis=(1, 3))
    assert found[cells > 0.5].mean() > 0.8
    assert found[cells == 0].mean() < 0.3
    assert not disagreement(lab, lab.condition(prompts[:1] * 2), latents, steps=1, guidance=3.5).any()


def scored(values):
    """A share whose scores are ``values``, 0 for sets that are not in it."""
    return lambda layers: Sharing(layers, (0.0,), (1.0,), values.get(layers, 0.0))


def test_a_set_grows_by_the_layer_that_adds_most_while_one_adds_anything():
    values = {(0,): 0.1, (1,): 0.3, (2,): 0.2, (1, 2): 0.4, (0, 1): 0.35, (0, 1, 2): 0.4}
    stages = []
    singles, sets = carry.greedy(scored(values), 4, lambda state: stages.append((state.stage, state.step, state.steps)))
    assert [one.layers for one in singles] == [(0,), (1,), (2,), (3,)]
    assert [one.layers for one in sets] == [(1,), (1, 2), (0, 1, 2)]  # a third adds nothing
    assert all(step <= steps for _, step, steps in stages)
    assert [stage for stage, step, _ in stages if step == 1] == ["layers", "sets of 2", "sets of 3"]


def test_only_the_best_layers_are_put_together():
    tried = []

    def share(layers):
        tried.append(layers)
        return Sharing(layers, (0.0,), (1.0,), 1 / (1 + layers[0]) if len(layers) == 1 else 0.0)

    carry.greedy(share, 57)
    best = range(carry.CANDIDATES)
    assert tried[57:] == [(one, other) for one in best[: carry.BEAM] for other in best if other > one]


def test_the_best_layer_need_not_be_in_the_best_set():
    values = {(0,): 0.3, (1,): 0.2, (2,): 0.1, (0, 1): 0.25, (1, 2): 0.5}
    _, sets = carry.greedy(scored(values), 3)
    assert [one.layers for one in sets] == [(0,), (1, 2), (0, 1, 2)]


def test_where_no_layer_scores_none_is_found():
    singles, sets = carry.greedy(scored({}), 3)
    assert (len(singles), sets) == (3, [])


def test_a_single_layer_is_measured_as_the_method_edits(tiny, tmp_path):
    """What the detector says of layer 3, from edits that are made through the editor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a model with random weights it may be that none is found
        found = carry.detect(tiny, pairs=PAIRS, steps=2, size=(32, 32))
    assert [len(one.layers) for one in found.singles] == [1] * tiny.layers
    trials = [
        carry._trial(tiny, pair, latents, 2)
        for index, pair in enumerate(PAIRS)
        for latents in carry.generator_of(tiny, pair[:1], [index], 2, (32, 32), 3.5)()
    ]
    edits = {}
    for layers, deltas in (((), (1.0,)), ((3,), found.deltas)):
        editor = Editor("stableflow+", tiny, steps=2, solver="fireflow", vital_layers=layers)
        edits[layers] = [
            torch.cat([
                editor.method(
                    tiny, trial.source.latents, source=trial.source.condition, target=[trial.target], grag=[delta]
                ) - trial.source.latents
                for delta in deltas
            ])
            for trial in trials
        ]  # fmt: skip
    by_hand = compared((3,), edits[(3,)], edits[()], [trial.inside for trial in trials])
    assert found.singles[3].carried == pytest.approx(by_hand.carried, abs=1e-4)
    assert found.singles[3].survived == pytest.approx(by_hand.survived, abs=1e-4)
    path, chart = carry.write(found, tmp_path / "carry.json")
    kept = json.loads(path.read_text())
    assert kept["vital_layers"] == found.vital_layers
    assert kept["pairs"] == [list(pair) for pair in PAIRS]
    assert Editor("stableflow+", tiny, vital_layers=str(path)).method.vital_layers == tuple(found.vital_layers)
    with Image.open(chart) as picture:
        assert picture.width > 1200


def test_in_the_lab_a_later_layer_carries_what_the_first_does_not(lab):
    """The layer that the detector ``bypass`` finds, and one of those that the lab's profile has."""
    pairs = lab.profile.pairs[:2]
    trials = [
        carry._trial(lab, pair, latents, 4)
        for pair in pairs
        for latents in carry.generator_of(lab, pair[:1], [0], 8, None, 3.5)()
    ]
    plain = [trial.edited(carry._edit(lab, 4, ()), (1.0,)) for trial in trials]
    of_layers = {}
    for layers in ((0,), lab.vital_layers):
        shared = [trial.edited(carry._edit(lab, 4, layers), carry.DELTAS) for trial in trials]
        of_layers[layers] = compared(layers, shared, plain, [trial.inside for trial in trials])
    assert of_layers[lab.vital_layers].carried[0] > of_layers[(0,)].carried[0] + 0.1
    assert of_layers[lab.vital_layers].score > of_layers[(0,)].score


def test_the_dial_turns_in_the_labs_own_layers(lab, recolor):
    """With layer 0, which it had before, the ends are 0.5 grey levels apart."""
    editor = Editor("stableflow+", lab, steps=6)
    words = {"source_prompt": recolor.source_prompt, "target_prompt": recolor.target_prompt}
    strip = editor.sweep(recolor.images()[0], **words, delta=(0.25, 0.7, 1.15))
    changes = [np.abs(np.asarray(image, float) - recolor.images()[0]).mean() for image in strip.images]
    assert changes == sorted(changes, reverse=True)
    assert np.abs(np.asarray(strip.images[0], float) - np.asarray(strip.images[-1], float)).mean() > 2


@pytest.mark.parametrize(("options", "message"), [({"pairs": 99}, "99"), ({"seeds": 0}, "at least one")])
def test_what_cannot_be_counted_is_refused(tiny, options, message):
    with pytest.raises(InputError, match=message):
        carry.detect(tiny, **options)


@pytest.mark.parametrize("detector", [carry, vital_layers])
def test_a_fill_model_is_refused(tiny_fill, detector):
    with pytest.raises(InputError, match="text-to-image"):
        detector.detect(tiny_fill)
