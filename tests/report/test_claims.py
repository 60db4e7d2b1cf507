"""The papers' claims, held against numbers that are known."""

import json

import pytest
from report_parts import CONFIG, run

from flowedit_grag.analysis import toy
from flowedit_grag.cli import runs as command
from flowedit_grag.errors import InputError
from flowedit_grag.report.claims import CLAIMS, rows
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


def with_means(folder, means, success):
    """A run in which a row's ``ssim_outside`` is about its mean, and ``success`` says which rows succeed."""
    run(folder, per_task=1, more=ROWS)
    for path in folder.glob("metrics/*/*.json"):
        content, wiggle = json.loads(path.read_text()), 0.001 * (len(path.name) % 3)
        content["values"]["ssim_outside"]["value"] = means.get(path.parent.name, 0.5) + wiggle
        content["values"]["lab_success"]["value"] = float(success(path.parent.name))
        path.write_text(json.dumps(content))
    return (folder,)


@pytest.fixture
def runs(tmp_path):
    """A run in whose numbers the claims can be read off."""
    return with_means(tmp_path / "run", MEANS, lambda row: row != "stableflow+ + GRAG")


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
    of = found("grag", Evidence(runs, tmp_path))
    kept = of["GRAG on StableFlow+: more of the source is kept (SSIM 0.8229 to 0.8316)"]
    assert kept.verdict == "holds"
    assert kept.measured == "ssim_outside +0.1000 (+0.1000 to +0.1000), n = 8, lab (validation)"
    made = of["GRAG on StableFlow+: less of the edit is made (PF 5.3926 to 4.8395)"]
    assert made.verdict == "holds"
    assert made.measured.startswith("lab_success -100.0 points (")
    assert of["GRAG on StableFlow: less of the source is kept (SSIM 0.9185 to 0.9098)"].verdict == "not measured"


def test_smoothness_of_delta_and_lambda(runs, tmp_path):
    of = found("smoothness", Evidence(runs, tmp_path))
    claim = of["delta turns ssim_outside more smoothly than lambda"]
    assert claim.verdict == "holds"
    assert claim.measured.startswith("total variation / range 1.00 (1.00 to 1.00) against 1.88 (")
    assert of["delta turns ssim_outside more smoothly than CFG"].verdict == "not measured"


def test_claims_can_come_out_against_the_paper(tmp_path):
    means = {"stableflow+": 0.7, "stableflow+ + GRAG": 0.5, "delta": 0.8, "lambda 1": 0.8, "lambda 2": 0.9}
    against = Evidence(with_means(tmp_path / "run", means, lambda row: row == "stableflow+ + GRAG"), tmp_path)
    smooth = found("smoothness", against)["delta turns ssim_outside more smoothly than lambda"]
    assert smooth.verdict == "does not hold"
    effects = {text: claim for text, claim in found("grag", against).items() if "on StableFlow+" in text}
    assert [claim.verdict for claim in effects.values()] == ["does not hold"] * 2


# ---- measurement folders -------------------------------------------------------------------------------------


def measured(folder, name, records, of=None):
    """The file of a measurement whose records these are."""
    of = {"weights": weights("lab"), "split": "validation"} if of is None else of
    text = "".join(json.dumps({"key": str(n), "of": of, **record}) + "\n" for n, record in enumerate(records))
    (folder / f"{name}.jsonl").write_text(text + '{"half')
    return Evidence((), folder)


@pytest.mark.parametrize(("fall", "verdict"), [(0.01, "holds"), (-0.01, "does not hold"), (0.0, "undecided")])
def test_entropy_is_judged_over_all_tokens(tmp_path, fall, verdict):
    records = [
        {"id": f"picture {n}", "layer": layer, "delta": delta, "source": 3 - delta,  # which always falls
         "all": 5 - fall * delta * (1 + n % 3) + (layer - 1) * 0.001 * delta + (n % 2 - 0.5) * 0.001 * delta}
        for n in range(10) for layer in range(3) for delta in (0.9, 1.0, 1.3)
    ]  # fmt: skip
    (claim,) = found("entropy", measured(tmp_path, "entropy", records)).values()
    assert claim.verdict == verdict
    assert claim.measured.endswith("n = 10, validation")
    if verdict == "holds":
        assert claim.measured.startswith("-0.00")
        assert "it falls with every step in 3.0 of 3 layers" in claim.measured


def test_entropy_of_other_weights_or_of_nothing_is_not_measured(tmp_path):
    records = [{"id": "x", "layer": 0, "delta": delta, "source": 1.0, "all": 1.0 - delta} for delta in (1.0, 1.1)]
    for of in ({"weights": {"lab": "0" * 16}}, "", {}):
        (claim,) = found("entropy", measured(tmp_path, "entropy", records, of)).values()
        assert (claim.measured, claim.verdict) == ("run `python -m benchmarks entropy` first", "not measured")
    (claim,) = found("entropy", Evidence((), tmp_path / "nowhere")).values()
    assert claim.verdict == "not measured"


@pytest.mark.parametrize(
    ("gains", "verdicts"),
    [((16, 1), ("holds", "holds")), ((-2, 0), ("does not hold", "undecided"))],
)
def test_second_order_is_judged_against_solvers_that_one_would_use(tmp_path, gains, verdicts):
    ahead = {"midpoint": 0, "euler": -20, "ddim": -gains[0], "uni_inv": -gains[1]}
    records = [
        {"solver": name, "index": index, "nfe": {"midpoint": 112, "uni_inv": 57}.get(name, 56),
         "psnr": 45 + own + index % 2 + (name == "midpoint") * 0.5 * (-1) ** (index // 2)}
        for name, own in ahead.items() for index in range(20)
    ]  # fmt: skip
    claims = [*found("solvers", measured(tmp_path, "reconstruction", records)).values()]
    assert tuple(claim.verdict for claim in claims) == verdicts
    assert [claim.text.split(" than ")[1].split(",")[0] for claim in claims] == ["ddim", "uni_inv"]
    assert claims[0].measured.startswith(f"psnr {gains[0]:+.1f} dB (")
    assert claims[0].measured.endswith("at 112 NFE against 56, n = 20, validation")
    assert "at 112 NFE against 57" in claims[1].measured


def test_records_are_those_of_the_last_measurement(tmp_path):
    ours = {"weights": weights("lab"), "split": "validation"}
    every = [{"key": str(n), "of": of, "index": n} for n, of in enumerate(("", {**ours, "split": "test"}, ours, ours))]
    (tmp_path / "reconstruction.jsonl").write_text("".join(json.dumps(one) + "\n" for one in every))
    assert [one["index"] for one in Evidence((), tmp_path).records("reconstruction")] == [2, 3]


# ---- the toy -------------------------------------------------------------------------------------------------


def test_the_word_stays_with_delta_and_drowns_with_lambda(tmp_path, monkeypatch):
    (claim,) = found("toy", Evidence((), tmp_path)).values()
    assert claim.verdict == "holds"
    assert claim.measured == "0.75 → 0.72 → 0.60 with delta at 1, 2, 4; 0.75 → 0.39 → 0.03 with lambda"
    swapped = {**toy.STRATEGIES, toy.DELTA: toy.STRATEGIES[toy.LAMBDA], toy.LAMBDA: toy.STRATEGIES[toy.DELTA]}
    monkeypatch.setattr(toy, "STRATEGIES", swapped)
    assert found("toy", Evidence((), tmp_path)).popitem()[1].verdict == "does not hold"
    monkeypatch.setattr(toy, "STRATEGIES", dict.fromkeys(toy.STRATEGIES, toy.STRATEGIES[toy.DELTA]))  # never drowned
    assert found("toy", Evidence((), tmp_path)).popitem()[1].verdict == "does not hold"


# ---- ICEdit --------------------------------------------------------------------------------------------------

INSTRUCTIONS = """\
  direct prompt: {method: icedit, model: lab-fill, steps: 1, prompt: direct}
  training-free, inpainting: {method: icedit, model: lab-fill, steps: 1}
  LoRA: {method: icedit, model: lab-fill, adapter: lab-lora, steps: 1}
  LoRA-MoE: {method: icedit, model: lab-fill, adapter: lab-moe, steps: 1}
  filtered: {method: icedit, model: lab-fill, adapter: lab-moe, steps: 1, early_filter: {seeds: 6, steps: 10}}
"""


@pytest.fixture
def instructions(tmp_path):
    """A run in which every step up to the LoRA makes more edits, and the mixture fewer again; the filter makes all."""
    config = CONFIG.replace("lab_success,", "lab_success, lab_kept,")
    run(tmp_path / "icedit", per_task=3, more=INSTRUCTIONS, config=config)
    rights = {"direct prompt": 4, "training-free, inpainting": 12, "LoRA": 22, "LoRA-MoE": 12, "filtered": 24}
    for row, count in rights.items():
        for number, path in enumerate(sorted((tmp_path / "icedit" / "metrics" / row).glob("*.json"))):
            content = json.loads(path.read_text())
            content["values"]["lab_success"]["value"], content["values"]["lab_kept"]["value"] = (
                float(number < count),
                1.0,
            )
            path.write_text(json.dumps(content))
    return tmp_path / "icedit"


def test_icedits_steps_come_from_a_run(instructions, tmp_path):
    of = found("icedit", Evidence((instructions,), tmp_path))
    adapter = of["LoRA, over no training, makes more of the edits"]
    assert adapter.verdict == "holds"
    assert adapter.measured.startswith("lab_success +41.7 points (")
    assert adapter.measured.endswith("n = 24, lab (validation)")
    assert of["LoRA-MoE, over LoRA, makes more of the edits"].verdict == "does not hold"
    assert of["LoRA, over no training, keeps all else more often"].verdict == "undecided"
    none = found("icedit", Evidence((), tmp_path)).popitem()[1]
    assert (none.measured, none.verdict) == ("run configs/lab/instructions.yaml first", "not measured")


def test_the_oracle_s_judgement_is_no_vlm_s(instructions, tmp_path):
    text = "an early filter with a VLM as its judge, 6 seeds of 10 steps, over one seed, makes more of the edits"
    claim = found("early filter", Evidence((instructions,), tmp_path))[text]
    assert (claim.verdict, claim.measured) == ("not measured", rows.GRADED)
    manifest = json.loads((instructions / "manifest.json").read_text())
    assert manifest["made_with"]["filtered"]["early_filter"]["judge"] == "lab"
    for judge, verdict in (("clip", "not measured"), ("openai:Qwen/Qwen2.5-VL@http://localhost/v1", "holds")):
        manifest["made_with"]["filtered"]["early_filter"]["judge"] = judge
        (instructions / "manifest.json").write_text(json.dumps(manifest))
        claims = found("early filter", Evidence((instructions,), tmp_path))
        assert claims[text].verdict == verdict
    assert claims[text].measured.startswith("lab_success +50.0 points (")
    assert claims[text.replace("makes more of the edits", "keeps all else more often")].verdict == "undecided"


def test_runs_of_other_weights_are_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("flowedit_grag.report.claims.base.fingerprint", lambda path: "another")
    with pytest.raises(InputError, match="was made with other weights of lab than those here; run its config again"):
        found("grag", Evidence(runs, tmp_path))


# ---- the command ---------------------------------------------------------------------------------------------


def test_the_command(runs, tmp_path, capsys):
    command.claims(runs, tmp_path, tmp_path / "x.md")
    text = capsys.readouterr().out
    assert text == (tmp_path / "x.md").read_text()
    assert len(text.splitlines()) == 2 + sum(len(found(name, Evidence(runs, tmp_path))) for name in CLAIMS)
    assert all(line.count("|") == 5 for line in text.splitlines())


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(InputError, match="is not a run"):
        command.claims([tmp_path], tmp_path, tmp_path / "x.md")
    assert not (tmp_path / "x.md").exists()
