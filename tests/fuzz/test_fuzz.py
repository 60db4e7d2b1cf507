"""A short run of every kind, with another seed than the long one's, and the tool itself held to what it says."""

import json
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest
from conftest import ROOT

from . import attempt as attempts
from . import counts, kinds, trials
from .__main__ import outcomes
from .attempt import attempt

MOST = 20  # trials of a kind
OF_THE_LONG = 25  # a short run is this part of the long one


@pytest.mark.parametrize("kind", kinds())
def test_what_is_mutated_is_used_or_refused_in_a_sentence(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for number in range(max(1, min(MOST, trials(kind) // OF_THE_LONG))):
        outcome = attempt(kind, 1, number)
        assert outcome.result in ("accepted", "refused"), f"trial {number}: {outcome.place}\n{outcome.traceback}"


BAD = """
import os, time
from flowedit_grag.errors import InputError

def trial(rng, folder):
    what = rng.choice(["fine", "refused", "raises", "hangs", "dies"])
    (folder / "input.txt").write_text(what)
    if what == "refused": raise InputError("No.")
    if what == "raises": raise KeyError(what)
    if what == "hangs": time.sleep(9)
    if what == "dies": os._exit(3)
"""


@pytest.fixture
def bad_kind(tmp_path, monkeypatch):
    """A kind of input that goes wrong in every way."""
    (tmp_path / "all_bad.py").write_text(BAD)
    package = sys.modules[attempts.__package__]
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(package, "HERE", tmp_path)
    monkeypatch.setattr(attempts, "LIMIT", 1)
    monkeypatch.setattr(attempts, "PATIENCE", 1)
    yield "all_bad"
    sys.modules.pop(f"{attempts.__package__}.all_bad", None)


def test_every_way_to_go_wrong_is_counted_and_kept(bad_kind, tmp_path):
    assert kinds() == [bad_kind]
    kept = tmp_path / "kept"
    found = dict(outcomes(bad_kind, 0, range(30), kept))
    assert list(found) == list(range(30))
    said = {outcome.place for outcome in found.values()}
    assert {outcome.result for outcome in found.values()} == {"accepted", "refused", "failed", "hung"}
    assert "process that died (3)" in said
    assert any(place.startswith("KeyError at") and "trial" in place for place in said)
    raised = next(number for number, outcome in found.items() if outcome.place.startswith("KeyError"))
    folder = kept / bad_kind / f"0-{raised}"
    assert (folder / "input.txt").read_text() == "raises"
    assert f"--seed 0 --first {raised} --trials 1" in (folder / "failure.txt").read_text()


def test_a_trial_is_the_same_alone(bad_kind, tmp_path):
    found = dict(outcomes(bad_kind, 0, range(12), tmp_path / "kept"))
    assert dict(outcomes(bad_kind, 0, range(7, 12), tmp_path / "kept")) == {n: found[n] for n in range(7, 12)}


def test_counts_are_kept_by_kind(tmp_path):
    counts.write(tmp_path, "images", 0, {"accepted": 5, "refused": 4, "failed": 1}, {"KeyError at x": 1})
    counts.write(tmp_path, "configs", 0, {"refused": 3}, {})
    counts.write(tmp_path, "images", 0, {"accepted": 6, "refused": 4}, {})
    found = json.loads((tmp_path / "fuzz.json").read_text())
    assert found["images"]["failed"] == 0
    assert (tmp_path / "fuzz.md").read_text().splitlines()[-2:] == [
        "| configs | 3 | 0 | 3 | 0 |",
        "| images | 10 | 6 | 4 | 0 |",
    ]


def test_the_table_in_the_docs_is_of_the_counts():
    results: Path = ROOT / "docs/results"
    assert (results / "fuzz.md").read_text() == counts.table(json.loads((results / "fuzz.json").read_text()))
