"""Strength in [0, 1]: what it turns, how far, and what cannot be asked for."""

import json
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import GOLDEN
from PIL import Image

from flowedit_grag import Editor, InputError, redo
from flowedit_grag.analysis.calibration import Trace, accepted, fitted
from flowedit_grag.cli import main
from flowedit_grag.methods import METHODS, Method, method
from flowedit_grag.methods.strength import Calibration, published, strengths, turned_to

WORDS = {"source_prompt": "a cat on a mat", "target_prompt": "a dog on a mat"}
QUICK = {
    "flowslider": {"steps": 3, "n_max": 3},
    "sdedit": {"steps": 4},
    "stableflow+": {"steps": 2, "vital_layers": [0]},
}


def picture(size=(48, 32)):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8))


def pixels(images):
    return np.stack([np.asarray(image) for image in images])


def known(flow, **strengths):
    """``flow`` with a profile that says what strengths turn."""
    import copy

    other = copy.copy(flow)
    other.profile = replace(flow.profile, strengths=strengths)
    return other


def test_straight_lines_join_the_values():
    found = Calibration(option="delta", values=(1.3, 1.0, 0.2))
    assert [found.value(strength) for strength in (0, 0.25, 0.5, 1)] == pytest.approx([1.3, 1.15, 1.0, 0.2])


@pytest.mark.parametrize("values", [(1.0,), (), (1.0, 1.0), (0.0, 2.0, 1.0), (1.0, float("nan"))])
def test_values_rise_or_fall(values):
    with pytest.raises(InputError):
        Calibration(option="scale", values=values)


@pytest.mark.parametrize(
    ("name", "option"),
    [("stableflow", "delta"), ("flowedit", "delta"), ("icedit", "delta"), ("flowslider", "scale"), ("sdedit", "start"),
     ("flowalign", "omega")],
)  # fmt: skip
def test_what_is_turned(name, option):
    found = published(METHODS[name], name)
    weak, strong = (found.turn(method(name), strength) for strength in (0, 1))
    values = [found.reached_by(one) for one in (weak, strong)]
    assert found.option == option
    assert values == [found.values[0], found.values[-1]]


def test_whole_numbers_stay_whole():
    turned = turned_to(method("flowedit"), "n_max", 12.6)
    assert turned.n_max == 13
    assert type(turned.n_max) is int


def test_turning_delta_keeps_lambda():
    turned = turned_to(method("stableflow", grag=(0.9, 1.0)), "delta", 1.2)
    assert (turned.control.lam, turned.control.delta) == (0.9, 1.2)


def test_an_edit_at_a_strength_is_one_with_the_value(tiny):
    given = Editor("flowslider", tiny, **QUICK["flowslider"]).edit(picture(), **WORDS, strength=0.75)
    same = Editor("flowslider", tiny, **QUICK["flowslider"], scale=1.5).edit(picture(), **WORDS)
    made = Editor("flowslider", tiny, **QUICK["flowslider"], strength=0.75).edit(picture(), **WORDS)
    assert np.array_equal(pixels(given.images), pixels(same.images))
    assert np.array_equal(pixels(made.images), pixels(same.images))
    assert given.settings["strength"] == 0.75
    assert given.settings["options"]["scale"] == 1.5


@pytest.mark.parametrize("name", QUICK)
def test_a_sweep_is_single_edits(tiny, name):
    editor = Editor(name, tiny, **QUICK[name])
    strip = editor.sweep(picture(), **WORDS, strength=3, seed=5)
    singles = [editor.edit(picture(), **WORDS, strength=strength, seed=5).image for strength in (0, 0.5, 1)]
    assert strip.strength == [0.0, 0.5, 1.0]
    assert np.abs(pixels(strip.images).astype(int) - pixels(singles).astype(int)).max() <= 1


def test_a_sweep_of_scales_can_be_made_again(tiny, tmp_path):
    picture().save(tmp_path / "source.png")
    flow = Editor("flowslider", "lab", **QUICK["flowslider"])
    words = {"source_prompt": "a small red star on the right on a night background"}
    words["target_prompt"] = words["source_prompt"].replace("red", "blue")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noise is no scene of the lab
        strip = flow.sweep(tmp_path / "source.png", **words, strength=[0.2, 0.9])
        strip.save(tmp_path / "strip.png")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*bit for bit")
        warnings.filterwarnings("ignore", message="this picture does not look")
        again = redo(tmp_path / "strip.png")
    assert np.array_equal(pixels(again.images), pixels(strip.images))
    assert again.strength == [0.2, 0.9]
    with pytest.raises(InputError, match="no delta"):
        _ = again.delta


def test_the_profile_says_how_far(tiny):
    calibrated = known(tiny, flowslider={"option": "scale", "values": [0.0, 0.4, 3.0]})
    editor = Editor("flowslider", calibrated, **QUICK["flowslider"])
    result = editor.edit(picture(), **WORDS, strength=0.5)
    assert result.settings["options"]["scale"] == pytest.approx(0.4)
    assert result.settings["calibrate"]["values"] == [0.0, 0.4, 3.0]


def test_a_file_says_how_far(tiny, tmp_path):
    path = tmp_path / "slider.json"
    path.write_text(json.dumps({"option": "scale", "values": [0, 1], "model": "", "method": "flowslider", "more": 1}))
    result = Editor("flowslider", tiny, **QUICK["flowslider"]).edit(picture(), **WORDS, strength=0.5, calibrate=path)
    assert result.settings["options"]["scale"] == 0.5


def test_beyond_the_useful_range_is_said(tiny):
    calibrated = known(tiny, **{"stableflow+": {"option": "delta", "values": [1.2, 0.4]}})
    with pytest.warns(UserWarning, match=r"delta 2 is beyond the useful range of stableflow\+ .* 0\.4 to 1\.2"):
        Editor("stableflow+", calibrated, **QUICK["stableflow+"], grag=2.0).edit(picture(), **WORDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Editor("stableflow+", calibrated, **QUICK["stableflow+"], grag=1.2).edit(picture(), **WORDS)


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("stableflow+", {"strength": 1.2}, "from 0 .* to 1"),
        ("stableflow+", {"strength": np.array([0.1, 0.2])}, "from 0 .* to 1"),
        ("stableflow+", {"strength": 0.5, "calibrate": "auto"}, "give it to edit"),
        ("stableflow+", {"strength": 0.5, "calibrate": np.array([1.0, 2.0])}, "is no calibration"),
        ("stableflow+", {"strength": float("nan")}, "from 0 .* to 1"),
        ("stableflow+", {"strength": "half"}, "from 0 .* to 1"),
        ("reconstruct", {"strength": 0.5}, "has nothing that a strength could turn"),
        ("direct-edit", {"strength": 0.5}, "has nothing that a strength could turn"),
        ("flowslider", {"strength": 0.5, "scale": 1.0}, "give strength or scale, not both"),
        ("stableflow+", {"strength": 0.5, "grag": 1.1}, "give strength or grag, not both"),
        ("stableflow+", {"strength": 0.5, "dial": {"name": "attention_weight", "gamma": 2}}, "not both"),
        ("stableflow+", {"calibrate": {"option": "delta", "values": [1, 0]}}, "give a strength too"),
        ("stableflow+", {"strength": 0.5, "calibrate": "/nowhere.json"}, "is no calibration"),
        ("flowslider", {"strength": 0.5, "calibrate": {"option": "delta", "values": [1, 0]}}, "turns delta"),
        ("flowslider", {"strength": 0.5, "calibrate": {"option": "scale", "values": [1, 2], "method": "sdedit"}},
         "of the method sdedit, not of flowslider"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_of_an_editor(tiny, name, given, sentence):
    with pytest.raises(InputError, match=sentence):
        Editor(name, tiny, **given)


def test_a_ready_method_is_turned_too(tiny):
    made = Editor(method("flowslider", **QUICK["flowslider"]), tiny, strength=0.3)
    assert made.method.scale == pytest.approx(0.6)


def test_another_dial_is_not_dropped(tiny):
    editor = Editor("stableflow+", tiny, **QUICK["stableflow+"], dial={"name": "attention_weight", "gamma": 2})
    with pytest.raises(InputError, match="AttentionWeight is in its place; give one"):
        editor.edit(picture(), **WORDS, strength=0.5)


@pytest.mark.parametrize(
    "damaged",
    [{"option": "foo", "values": [0, 1]}, {"option": "negative_prompt", "values": [0, 1]}, {"option": "scale"}],
)
def test_a_damaged_profile_is_said(tiny, damaged):
    with pytest.raises(InputError):
        Editor("flowslider", known(tiny, flowslider=damaged), **QUICK["flowslider"]).edit(picture(), **WORDS)


def test_what_calibrate_wrote_may_stand_in_a_profile(tiny):
    found = {"option": "scale", "values": [0, 3], "model": "x", "method": "flowslider", "pictures": 8}
    editor = Editor("flowslider", known(tiny, flowslider=found), **QUICK["flowslider"])
    assert editor.edit(picture(), **WORDS, strength=1.0).settings["options"]["scale"] == 3


def test_an_edit_made_again_says_its_strength(tmp_path):
    picture().save(tmp_path / "source.png")
    tiny = Path(os.path.relpath(GOLDEN / "tiny_flux"))
    made = Editor("sdedit", tiny, steps=2).edit(tmp_path / "source.png", **WORDS, strength=0.5)
    made.save(tmp_path / "edit.png")
    again = redo(tmp_path / "edit.png")
    assert again.settings["strength"] == 0.5
    assert np.array_equal(pixels(again.images), pixels(made.images))
    of_its_own = {"option": "start", "values": [0, 1], "model": str(tiny), "method": "sdedit"}
    Editor("sdedit", tiny, steps=2).sweep(
        tmp_path / "source.png", **WORDS, strength=2, calibrate=of_its_own
    ).save(tmp_path / "strip.png")  # fmt: skip
    assert redo(tmp_path / "strip.png").strength == [0.0, 1.0]


def test_calibrate_replaces_no_file(tmp_path, monkeypatch, capsys):
    picture().save(chart := tmp_path / "a.png")
    before = chart.read_bytes()
    monkeypatch.setattr("sys.argv", ["flowedit-grag", "calibrate", "-o", str(tmp_path / "a.json")])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 2
    assert "a.png is there already" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["flowedit-grag", "calibrate", "--overwrite", "-o", str(tmp_path / "a.json")])
    with pytest.raises(SystemExit) as ended:  # there is no calibration that it would be the chart of
        main.run()
    assert ended.value.code == 2
    assert chart.read_bytes() == before


def test_a_calibration_of_another_model(tiny):
    other = {"option": "scale", "values": [1, 2], "model": "another"}
    with pytest.raises(InputError, match="of the model another, not of"):
        Editor("flowslider", tiny).edit(picture(), **WORDS, strength=0.5, calibrate=other)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [(1, "a sweep of one strength"), ([0.3], "a sweep of one strength"), ([0, 2], "from 0"), (0, "a sweep of one"),
     ("0:1:5", "takes strengths"), (True, "takes strengths")],
)  # fmt: skip
def test_what_is_no_sweep(asked, sentence):
    with pytest.raises(InputError, match=sentence):
        strengths(asked)


def test_strengths_or_deltas(tiny):
    editor = Editor("stableflow+", tiny, **QUICK["stableflow+"])
    with pytest.raises(InputError, match="give one of them"):
        editor.sweep(picture(), **WORDS, strength=3, delta=[1.0, 1.1])
    with pytest.raises(InputError, match="lam goes with delta"):
        editor.sweep(picture(), **WORDS, strength=3, lam=0.9)


# ---- calibrating ---------------------------------------------------------------------------------------------


def traces(curve, count=4, error=0.0):
    """Pictures that all change along ``curve``, each at a scale of its own."""
    return [Trace(np.array(curve, float) * (1 + number), np.zeros(len(curve)) + error) for number in range(count)]


def test_a_calibrated_change_is_even():
    values = np.linspace(0, 3, 13)
    curve = values**3  # nothing at first, then all at once
    found = fitted("scale", values.tolist(), traces(curve), rest=1.0, model="m", method="flowslider")
    reached = np.interp([found.value(strength) for strength in np.linspace(0, 1, 9)], values, curve)
    assert np.diff(reached) == pytest.approx(27 / 8, rel=0.05)
    assert (found.values[0], found.values[-1]) == (0, 3)


def test_the_useful_range_ends_where_pictures_break_or_no_longer_change():
    values = [2.0, 1.5, 1.2, 1.0, 0.8, 0.5, 0.2]
    curve = [9, 4, 3, 5, 6, 8, 20]  # falls apart above 1.2
    found = fitted("delta", values, traces(curve, error=[9, 9, 9, 0, 0.5, 1.2, 2]), rest=1.0)  # and at 0.2
    assert (found.values[0], found.values[-1]) == (1.2, 0.5)
    assert fitted("delta", values, traces([9, 4, 3, 5, 6, 8, 7]), rest=1.0).values[-1] == 0.5


def test_nothing_to_calibrate():
    with pytest.raises(InputError, match="nothing to calibrate"):
        fitted("delta", [1.2, 1.0, 0.8], traces([1.0, 1.1, 1.2], count=1), rest=1.0)


def test_values_that_an_option_cannot_have_are_left_out():
    assert list(accepted(method("sdedit"), "start", [0.0, 0.5, 1.0, 1.5])) == [0.0, 0.5, 1.0]


def test_calibrating_and_using_it(tiny, tmp_path):
    editor = Editor("sdedit", tiny, steps=6)
    problems = [{"image": picture((48, 32 + 16 * index)), **WORDS} for index in range(2)]
    seen = []
    found = editor.calibrate(problems, seen.append)
    assert [progress.step for progress in seen] == [1, 2, 3, 4]  # what rises most is looked into
    json_path, chart = found.write(tmp_path / "start.json")
    assert Image.open(chart).width > 300
    written = json.loads(json_path.read_text())
    assert (written["option"], written["pictures"]) == ("start", 2)
    assert len(written["change"]) == len(written["tried"])
    made = editor.edit(picture(), **WORDS, strength=1.0, calibrate=json_path)
    assert made.settings["options"]["start"] == found.calibration.values[-1]


def test_calibrating_on_the_picture_at_hand(tiny):
    seen = []
    editor = Editor("sdedit", tiny, steps=12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is said of pictures that nobody asked for
        made = editor.edit(picture(), **WORDS, strength=0.5, calibrate="auto", on_progress=seen.append)
    assert made.settings["calibrate"]["option"] == "start"
    assert len(made.settings["calibrate"]["values"]) > 2
    assert {progress.stage for progress in seen} == {"calibrate", "edit"}
    assert made.nfe == len(seen)  # one row a step: what was measured is in the cost
    with pytest.raises(InputError, match="on one target"):
        editor.edit(picture(), **{**WORDS, "target_prompt": ["a", "b"]}, strength=0.5, calibrate="auto")


def test_problems_that_are_none(tiny):
    editor = Editor("sdedit", tiny, steps=4)
    for problems, sentence in (([], "no picture"), ([WORDS], "a problem is what"), ([5], "a problem is what")):
        with pytest.raises(InputError, match=sentence):
            editor.calibrate(problems)


@dataclass(frozen=True, kw_only=True)
class Own(Method):
    """A method of one's own says what it turns."""

    amount: float = 1.0
    turned = Calibration(option="amount", values=(0.0, 5.0))


def test_a_method_of_ones_own():
    assert published(Own, "own").turn(Own(), 0.4).amount == 2.0


def test_n_max_follows_steps(tiny):
    made = Editor("flowedit", tiny, steps=14).method
    assert (made.steps, made.n_max) == (14, 12)  # of 28 and 24
    assert Editor("flowedit", tiny, steps=14, n_max=5).method.n_max == 5
    assert Editor("flowedit", tiny, steps=np.float64(14)).method.n_max == 12
    with pytest.raises(InputError):
        Editor("flowedit", tiny, steps=10**400)
