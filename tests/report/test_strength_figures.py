"""The four figures of strength, from records whose numbers are known."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from report_parts import CONFIG, run

from flowedit_grag.experiments.manifest import Manifest, ManifestEntry
from flowedit_grag.report import report
from flowedit_grag.report.claims.rows import _two_curves
from flowedit_grag.report.claims.smoothness import excess, variation
from flowedit_grag.report.comparison import Column, Comparison, Row
from flowedit_grag.report.runs import Outcome, Run
from flowedit_grag.report.strength import Curve, curves, turns
from flowedit_grag.report.strength_curves import strength_curves
from flowedit_grag.report.strength_table import strength_table

SAMPLES = 8
COLUMNS = (
    Column("lab_success", True, "", label="lab_success", is_rate=True),
    Column("psnr_outside", True, "", label="psnr_outside"),
    Column("change", None, "", label="change"),
    Column("lab_broken", False, "", label="lab_broken", is_rate=True),
)


def compared(rows, turns_each=1, columns=COLUMNS):
    """A comparison of ``rows``: label -> what it was made with, and its numbers by metric: one for all samples, or one
    for each. ``turns_each`` samples are a session."""
    ids = [f"s{number}" for number in range(SAMPLES)]
    made_with = {label: {"method": "flowedit", **made} for label, (made, _) in rows.items()}
    items = tuple(
        ManifestEntry(label, id, "", None if index % turns_each == 0 else ids[index - 1], "", "")
        for label in rows for index, id in enumerate(ids)
    )  # fmt: skip
    outcomes = {
        label: {
            id: Outcome(id, "", {}, "", Path(), numbers={name: float(np.broadcast_to(value, SAMPLES)[index])
                        for name, value in numbers.items()})
            for index, id in enumerate(ids)
        } for label, (_, numbers) in rows.items()
    }  # fmt: skip
    config = {"model": "lab", "seed": 0, "methods": {label: {} for label in rows}}
    made = Run("run", Path(), config, {}, Manifest(None, made_with, {}, items), outcomes, ())
    lines = tuple(Row(label, label, made, outcomes[label], columns) for label in rows)
    return Comparison("by hand", lines, columns, {}, tuple(ids), ())


def at(value, parameter="delta", **numbers):
    """A row at a calibrated strength, as records have it."""
    options = {"strength": {"strength": value, parameter: 2 - value}, "steps": 20, "true_cfg": 1.0}
    return {"options": options}, numbers


def delta(value, **numbers):
    return {"options": {"grag": {"lam": 1.0, "delta": value}, "dial": None, "steps": 20, "true_cfg": 1.0}}, numbers


def cells(comparison):
    """The rows of the table: by header, text and interval."""
    made = strength_table(comparison, "x")
    return [{head.text: cell for head, cell in zip(made.headers, row, strict=True)} for row in made.rows]


def test_a_calibrated_strength_is_one_curve_whatever_it_is_mapped_to():
    rows = {f"plus, strength {value:g}": at(value, change=10 * value) for value in (0.0, 0.5, 1.0)}
    rows |= {f"plus, delta {value:g}": delta(value, change=9 - value) for value in (0.5, 1.0, 1.5)}
    rows |= {f"lambda {value:g}": at(value, "lam", change=1.0) for value in (0.25, 0.75)}  # two: no curve
    comparison = compared(rows)
    found = {(curve.name, curve.turned): [value for value, _ in curve.points] for curve in curves(comparison.lines)}
    assert found == {("plus", "strength"): [0, 0.5, 1], ("plus", "delta"): [0.5, 1, 1.5]}
    calibrated, raw = turns(comparison)
    assert calibrated.values == [0, 0.5, 1]
    assert raw.values == [1.5, 1, 0.5]  # change falls as delta grows


def test_a_strength_that_turns_the_wrong_way_is_not_turned_round():
    rows = {str(value): at(value, change=5 - value, psnr_outside=30 + value) for value in (0.0, 0.5, 1.0)}
    (row,) = cells(compared(rows))
    assert row["weakest to strongest"].text == "0 to 1 in 2 steps"
    assert row["rank correlation"].value == -1
    assert row["right way, %"].value == 0
    assert row["change gained"].value == -1
    assert row["psnr_outside lost"].value == -1


def test_rows_of_several_batches_are_one_curve():
    rows = {str(value): delta(value, change=value) for value in (1.0, 1.1, 1.2)}
    for number, (made, _) in enumerate(rows.values()):
        made["group"] = [f"batch {number}"]
    (curve,) = curves(compared(rows).lines)
    assert len(curve.points) == 3


def test_direction_and_evenness_are_of_each_sample():
    heights = np.array([
        [0, 1, 2, 3, 4], [0, 3, 3, 3, 4], [4, 3, 2, 1, 0], [1, 1, 1, 1, 1],
        [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 2, 1, 3, 4], [0, 1, 2, 3, 4],
    ], float)  # fmt: skip
    rows = {str(value): at(value / 4, change=heights[:, value]) for value in range(5)}
    (turn,) = turns(compared(rows))
    rank, right = turn.direction()
    assert rank.value == pytest.approx(0.95)  # of -1, 0, 0.89 (ties), 0.9, and four of 1
    assert right.value == pytest.approx(np.mean([1, 0.5, 0, 0, 1, 1, 0.75, 1]))
    even = turn.evenness()  # of 1/4, 3/4, 1/4, infinite, 1/4, 1/4, 1/2, 1/4
    assert (even.value, even.low, even.n, turn.steps) == (0.25, 0.25, 8, 4)
    assert even.high < 1
    (row,) = cells(compared(rows))
    assert (row["largest step / range"].text, row["1/n"].text) == ("0.25", "0.25")
    flat = compared({label: (made, {"change": 1.0}) for label, (made, _) in rows.items()})
    (turn,) = turns(flat)
    assert (turn.evenness().value, turn.direction()[0].value) == (math.inf, 0.0)
    assert cells(flat)[0]["largest step / range"].text == "∞"


def test_nothing_is_interpolated_between_values_that_are_not_equally_spaced():
    rows = {str(value): at(value, change=value) for value in (0.0, 0.5, 0.6, 1.0)}
    assert cells(compared(rows))[0]["largest step / range"].text == "unequal"
    thirds = {str(value): at(value, change=value) for value in (0.0, 0.33, 0.67, 1.0)}
    assert cells(compared(thirds))[0]["largest step / range"].text == "0.34"


def test_range_and_ends():
    def half(count):
        return np.arange(SAMPLES) < count

    points = {0.5: (20, 24, 8, 1), 1.0: (15, 28, 4, 0), 1.5: (12, 31, 2, 2)}
    rows = {
        f"plus, delta {value:g}": delta(
            value, change=change, psnr_outside=psnr, lab_success=half(success), lab_broken=half(broken)
        ) for value, (change, psnr, success, broken) in points.items()
    }  # fmt: skip
    (row,) = cells(compared(rows))
    assert {head: cell.value for head, cell in row.items() if cell.value is not None} == {
        "change gained": 8, "psnr_outside lost": 7,
        "lab_success weakest, %": 25, "lab_success strongest, %": 100,
        "rank correlation": 1, "right way, %": 100, "largest step / range": 0.625, "1/n": 0.5,
        "change weakest": 12, "broken at worst, %": 25,
    }  # fmt: skip
    assert row["weakest to strongest"].text == "1.5 to 0.5 in 2 steps"
    assert row["over 3 % at"].text == "1.5, 0.5"
    assert row["broken at worst, %"].note == "at 1.5, 8 samples"


def test_sessions_are_drawn_whole():
    rng = np.random.default_rng(0)
    rows = {str(value): at(value, change=np.repeat(rng.normal(value, 1, 4), 2)) for value in (0.0, 0.5, 1.0)}
    (turn,) = turns(compared(rows, turns_each=2))
    for found in (*turn.direction(), turn.evenness()):
        assert (found.n, found.groups) == (8, 4)


def test_a_sample_without_a_number_at_one_value_is_left_out():
    comparison = compared({str(value): at(value, change=value) for value in (0.0, 0.5, 1.0)})
    del comparison.lines[1].outcomes["s3"].numbers["change"]
    (turn,) = turns(comparison)
    assert turn.changes.shape == (7, 3)
    assert len(turn.sessions) == 7


def test_runs_without_change_say_what_is_missing():
    columns = COLUMNS[:2]
    rows = {str(value): delta(value, psnr_outside=20 + value) for value in (0.5, 1.0, 1.5)}
    comparison = compared(rows, columns=columns)
    (row,) = cells(comparison)
    assert row["rank correlation"].text == row["largest step / range"].text == row["change weakest"].text == "–"
    assert row["psnr_outside lost"].value == -1
    assert any("change was not measured" in note for note in strength_table(comparison, "x").notes)
    assert not [*strength_curves(comparison, "x")]


def test_a_run_from_before_the_lab_measured_change_is_reported(tmp_path):
    """Its config says ``lab``, which has more metrics now than its scores."""
    more = "".join(f"  f{n}: {{method: flowedit, steps: 4, n_max: {n}}}\n" for n in (1, 2))
    metrics = CONFIG.replace("[lab_success, psnr_outside, ssim_outside]", "[lab]")
    run(tmp_path / "run", per_task=1, config=metrics, more=more)
    report([tmp_path / "run"], tmp_path / "report")
    drawn = tmp_path / "report" / "figures" / "s1-strength-curves-1.svg"
    assert drawn.exists()
    manifest = json.loads((path := tmp_path / "run" / "manifest.json").read_text())
    for name in ("change", "lab_broken"):
        del manifest["metrics"][name]
    path.write_text(json.dumps(manifest))
    for path in (tmp_path / "run" / "metrics").glob("*/*.json"):
        content = json.loads(path.read_text())
        del content["values"]["change"], content["values"]["lab_broken"]
        path.write_text(json.dumps(content))
    report([tmp_path / "run"], tmp_path / "report")
    text = (tmp_path / "report" / "tables.md").read_text()
    assert "- sdedit, change: 8 missing (not measured yet)." in text
    (row,) = re.findall(r"^\| f1 \| n_max \| .*$", text, re.MULTILINE)
    assert row.startswith("| f1 | n_max | 1 to 3 in 2 steps | – |")
    assert row.endswith("| – | – | – |")
    assert not drawn.exists()


def test_all_that_is_turned_stands_on_one_scale():
    rows = {
        f"m{number}, strength {value:g}": ({**at(value)[0], "method": f"m{number}"},
        {"change": number + value, "psnr_outside": 30 - number, "lab_success": 1, "lab_kept": 1, "lab_broken": 0})
        for number in range(7) for value in (0.0, 0.5, 1.0)
    }  # fmt: skip
    columns = (*COLUMNS, Column("lab_kept", True, "", label="lab_kept", is_rate=True))
    drawn = [*strength_curves(compared(rows, columns=columns), "s1-strength")]
    assert [figure.name for figure in drawn] == ["s1-strength-curves-1", "s1-strength-curves-2"]
    said = [re.findall(r"<!-- (.+?) -->", figure.files["svg"].decode()) for figure in drawn]
    assert [[number for number in range(7) if f"m{number}" in own] for own in said] == [[0, 1, 2, 3], [4, 5, 6]]
    for own in said:
        assert {"change", "lab_success ↑", "lab_kept ↑", "psnr_outside ↑", "strength"} <= {*own}
    beside = [[one for one in own if re.fullmatch(r"[\d.]+", one) and one not in ("0", "0.5", "1")] for own in said]
    assert beside[0] == beside[1] != []


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (("plus", "plus, start 0.2", "plus, start 0.4"), "plus"),
        (("plus, start 0.2", "plus, start 0.4", "plus, start 1"), "plus"),
        (("run: plus vital, a", "run: plus vital, b", "run: plus vivid, c"), "run: plus"),
        (("plain 1", "plainer 2", "plus"), "plus"),  # at 1, where a dial is at rest
        (("start 0.2", "start 0.4", "start 1"), "start 1"),
    ],
)
def test_a_curve_is_called_what_its_rows_share(labels, name):
    rows = {label: ({"options": {"start": value}}, {}) for label, value in zip(labels, (0.2, 0.4, 1.0), strict=True)}
    (curve,) = curves(compared(rows).lines)
    assert curve.name == name


# ---- what claims ask of curves ------------------------------------------------------------------------------


def test_claims_compare_two_numbers_of_one_method():
    rows = {f"delta {value}": delta(value) for value in (0.5, 1.0, 1.5)}
    others = {f"cfg {value}": ({"options": {"steps": 20, "true_cfg": value}}, {}) for value in (2.0, 3.0, 4.0)}
    icedit = {label: ({**made, "method": "icedit"}, of) for label, (made, of) in others.items()}
    assert _two_curves(compared(rows | icedit), "delta", "true_cfg") is None
    pair = _two_curves(compared(rows | others), "delta", "true_cfg")
    assert [curve.turned for curve in pair] == ["delta", "true_cfg"]


@pytest.mark.parametrize(
    ("curve", "expected"), [([1, 2, 5], 1), ([5, 2, 1], 1), ([0, 2, 1, 3], 5 / 3), ([1, 1], float("nan"))]
)
def test_variation(curve, expected):
    assert variation(curve) == pytest.approx(expected, nan_ok=True)


def test_smoothness_draws_sessions_whole():
    column = Column("x", True, "")

    def of(turns):
        """Eight sessions of so many equal turns: the ratio of their mean curve."""
        rng = np.random.default_rng(0)
        heights = rng.normal([0.0, 1.0, 0.8, 2.0], 0.5, (8, 4))
        session = {f"{number}-{turn}": str(number) for number in range(8) for turn in range(turns)}

        def line(value):
            return SimpleNamespace(numbers=lambda column, ids: {id: heights[int(session[id]), value] for id in ids})

        curve = Curve("", "x", tuple((float(value), line(value)) for value in range(4)))
        found, again, gap = excess(curve, curve, column, SimpleNamespace(ids=tuple(session), session=session))
        assert found.value == again.value == pytest.approx(variation(heights.mean(axis=0).tolist()))
        assert (gap.value, gap.low, gap.high) == (0, 0, 0)
        return found

    alone, turned = of(1), of(3)
    assert (turned.n, turned.groups, alone.groups) == (24, 8, 8)
    assert (turned.value, turned.low, turned.high) == pytest.approx((alone.value, alone.low, alone.high))
