"""The papers' claims, held against numbers that are known."""

import json

import pytest
from conftest import ROOT
from report_parts import run

from flowedit_grag.cli import claims as command
from flowedit_grag.errors import InputError
from flowedit_grag.report.claims import CLAIMS, attention
from flowedit_grag.report.claims.base import Claim, Evidence, judged
from flowedit_grag.report.intervals import Mean
from flowedit_grag.report.measurements import weights

ROWS = "".join(
    f"  {name}: {{method: {method}, steps: 2{own}}}\n"
    for name, method, own in [
        ("stableflow+", "stableflow+", ""),
        ("stableflow+ + GRAG", "stableflow+", ", grag: 1.05"),
        ("delta", "stableflow+", ", grag: 1.1"),
        ("lambda 1", "stableflow+", ", grag: {lam: 1.1, delta: 1.0}"),
        ("lambda 2", "stableflow+", ", grag: {lam: 1.2, delta: 1.0}"),
    ]
)
MEANS = {  # ssim_outside by row: delta only rises; lambda goes up and down
    "stableflow+": 0.5, "stableflow+ + GRAG": 0.6, "delta": 0.7, "lambda 1": 0.9, "lambda 2": 0.55,
}  # fmt: skip


@pytest.fixture
def runs(tmp_path):
    """A run in whose numbers the claims can be read off."""
    run(tmp_path / "run", per_task=1, more=ROWS)
    for path in (tmp_path / "run").glob("metrics/*/*.json"):
        content, wiggle = json.loads(path.read_text()), 0.001 * (len(path.name) % 3)
        content["values"]["ssim_outside"]["value"] = MEANS.get(path.parent.name, 0.5) + wiggle
        content["values"]["lab_success"]["value"] = float(path.parent.name != "stableflow+ + GRAG")
        path.write_text(json.dumps(content))
    return (tmp_path / "run",)


def found(name, evidence) -> dict[str, Claim]:
    return {claim.text: claim for claim in CLAIMS[name](evidence)}


@pytest.mark.parametrize(
    ("low", "high", "n", "verdict"),
    [
        (1, 3, 8, "holds"),
        (-3, -1, 8, "does not hold"),
        (-1, 1, 8, "undecided"),
        (1, 3, 7, "undecided"),
        (1, 3, 0, "not measured"),
    ],
)
def test_verdicts(low, high, n, verdict):
    assert judged(Mean((low + high) / 2, low, high, n)) == verdict


def test_effects_have_the_papers_sign(runs, tmp_path):
    of = found("grag", Evidence(None, tmp_path, runs))
    kept = of["GRAG on StableFlow+: more of the source is kept (SSIM 0.8229 to 0.8316)"]
    assert kept.verdict == "holds"
    assert kept.measured == "ssim_outside +0.1000 (+0.1000 to +0.1000), n = 8"
    made = of["GRAG on StableFlow+: less of the edit is made (PF 5.3926 to 4.8395)"]
    assert made.verdict == "holds"
    assert made.measured.startswith("lab_success -1.0000")
    assert of["GRAG on StableFlow: less of the source is kept (SSIM 0.9185 to 0.9098)"].verdict == "not measured"


def test_smoothness_of_delta_and_lambda(runs, tmp_path):
    of = found("smoothness", Evidence(None, tmp_path, runs))
    claim = of["delta turns ssim_outside more smoothly than lambda"]
    assert claim.verdict == "holds"
    assert claim.measured.startswith("total variation / range 1.00 (1.00 to 1.00) against 1.88 (")
    assert of["delta turns ssim_outside more smoothly than CFG"].verdict == "not measured"


def test_pairs_of_the_bench(tmp_path):
    of = {"weights": weights("lab")}
    lines = [
        {"key": f"{name} {index}", "of": of, "solver": name, "psnr": 30 + gain + index % 2}
        for index in range(20)
        for name, gain in [("euler", 0), ("midpoint", 5)]
    ]
    (tmp_path / "reconstruction.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"half')
    of = found("pairs", Evidence(None, tmp_path, ()))
    second = of["a solver of second order reconstructs better than one of first"]
    assert (second.measured, second.verdict) == ("psnr +5.0 dB (+5.0 to +5.0), n = 20", "holds")
    adapter = of["LoRA, over no training, makes more of the edits"]
    assert (adapter.measured, adapter.verdict) == (
        "run `python -m flowedit_grag.lab.bench instructions` first",
        "not measured",
    )
    assert "LoRA, over no training, keeps all else more often" in of


def test_what_was_measured_on_other_weights_does_not_count(runs, tmp_path, monkeypatch):
    ours, half = {"weights": weights("lab"), "share": 1.0}, {"weights": weights("lab"), "share": 0.5}
    old = {"weights": {"lab": "0" * 16}}
    every = [{"key": str(n), "of": of, "index": n} for n, of in enumerate((old, "", half, ours, old, ours))]
    (tmp_path / "reconstruction.jsonl").write_text("".join(json.dumps(one) + "\n" for one in every))
    assert [one["index"] for one in Evidence(None, tmp_path, ()).records("reconstruction")] == [3, 5]
    monkeypatch.setattr("flowedit_grag.report.claims.base.fingerprint", lambda path: "another")
    with pytest.raises(InputError, match="was made with other weights of lab than those here; run its config again"):
        found("grag", Evidence(None, tmp_path, runs))


def test_the_command(lab, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "load", lambda model: lab)
    for name, few in [("STEPS", 1), ("PER_TASK", 1), ("DELTAS", (1.0, 1.1))]:
        monkeypatch.setattr(attention, name, few)
    command.claims(runs, tmp_path, "lab", tmp_path / "x.md")
    text = capsys.readouterr().out
    assert text == (tmp_path / "x.md").read_text()
    assert "| the toy curves |" in text
    assert "of 12 layers" in text
    assert all(line.count("|") == 5 for line in text.splitlines())
    published = (ROOT / "docs" / "results.md").read_text()
    assert all(" | ".join(line.split(" | ")[:2]) in published for line in text.splitlines()[2:])


def test_a_folder_that_is_no_run(lab, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "load", lambda model: lab)
    with pytest.raises(InputError, match="is not a run"):
        command.claims([tmp_path], tmp_path, "lab", tmp_path / "x.md")
    assert not (tmp_path / "x.md").exists()
