"""Measurements: they agree with what is known, survive kills, and their sections run."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap

from benchmarks import command as command
from benchmarks import counting, footprint, scale
from benchmarks.bench import SECTIONS, vital
from benchmarks.bench.base import Bench
from benchmarks.bench.edits import FRONTIER, claims
from benchmarks.bench.strength import correlations
from benchmarks.choosing import best
from benchmarks.edits import Contestant, Trial, run, verdicts
from benchmarks.following import score
from benchmarks.shape import flux_flow
from flowedit_grag.errors import InputError
from flowedit_grag.lab.oracle import read
from flowedit_grag.lab.render import render
from flowedit_grag.lab.splits import problems, scenes
from flowedit_grag.lab.tasks import TASKS
from flowedit_grag.metrics.ssim import ssim
from flowedit_grag.report.intervals import difference, mean, median, rate, share_difference
from flowedit_grag.report.measurements import Records

FLOPS = {(512, 512): 21.5, (1024, 1024): 74.4, (1536, 1024): 117.0}  # TFLOP, 512 text tokens, by an independent count


def test_splits_are_seeded_and_apart():
    assert scenes("validation", 4) == scenes("validation", 6)[:4]
    assert scenes("test", 4) != scenes("validation", 4)
    edits = problems("validation", 2)
    assert [edit.task for edit in edits] == [task for task in TASKS for _ in range(2)]


def test_intervals_hold_the_mean_and_shrink():
    values = np.random.default_rng(0).normal(3.0, 1.0, 400)
    few, many = mean(values[:25]), mean(values)
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert many.high - many.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)
    assert mean([1.0, np.nan]).n == 1
    assert np.isnan(mean([]).value)
    again = np.repeat(values[:25], 4)  # what depends on each other says no more than one of it
    grouped = mean(again, [*np.repeat(range(25), 4)])
    assert (grouped.low, grouped.high) == pytest.approx((few.low, few.high))
    assert (grouped.n, grouped.groups, grouped.is_enough) == (100, 25, True)
    assert not mean([1.0, -1.0] * 10, ["one session"] * 20).is_enough
    assert mean(again).high - mean(again).low < 0.7 * (few.high - few.low)
    paired = difference(values + 0.5, values)
    assert paired.low == pytest.approx(0.5) == paired.high


def test_medians_are_not_carried_away():
    values = np.random.default_rng(0).normal(5, 1, 41)
    held_up = np.append(values[:-1], 1000.0)
    of, far = median(values), median(held_up)
    assert of.value == np.median(values)
    assert max(abs(of.value - far.value), abs(of.low - far.low), abs(of.high - far.high)) < 0.3
    asked = bootstrap((values,), np.median, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    assert (of.low, of.high) == pytest.approx(tuple(asked), abs=0.05)
    turns = median(np.repeat(values, 3), [*np.repeat(range(41), 3)])
    assert (turns.value, turns.low, turns.high, turns.groups) == (of.value, of.low, of.high, 41)
    assert median([1.0, 2.0, 4.0, 8.0]).value == 3.0
    assert median([]).n == 0


def test_rates_that_are_all_right_are_not_certain():
    sure = rate([True] * 30)  # Wilson's interval, by hand: z² / (n + z²) below 1
    assert (sure.value, sure.high, sure.n) == (1.0, 1.0, 30)
    assert sure.low == pytest.approx(1 - 1.96**2 / (30 + 1.96**2), abs=1e-4)
    assert rate([True, False]).percent() == "50 % (9-91)"
    assert np.isnan(rate([]).value)


def test_differences_of_shares():
    same = share_difference([True] * 38, [True] * 38)  # by hand: 1/40 each way, and no difference
    assert (same.value, same.n) == (0.0, 38)
    assert (same.low, same.high) == pytest.approx((-1.96 * (0.05 / 40) ** 0.5, 1.96 * (0.05 / 40) ** 0.5), abs=1e-4)
    better = share_difference([True] * 18 + [False] * 20, [False] * 10 + [True] * 8 + [False] * 20)
    assert better.value == pytest.approx(10 / 38)
    assert (better.low + better.high) / 2 == pytest.approx(10 / 40)
    assert better.low == pytest.approx(0.25 - 1.96 * ((0.3 - 0.25**2) / 40) ** 0.5, abs=1e-4)
    assert np.isnan(share_difference([], []).value)


def outcomes(successes, kept, psnr):
    return [
        {"success": bool(s), "kept": bool(k), "psnr_outside": p} for s, k, p in zip(successes, kept, psnr, strict=True)
    ]


def test_of_settings_about_as_good_the_one_that_changes_least():
    four = np.arange(24) < 4
    good, near, careful, poor = ~four, np.arange(24) >= 5, np.arange(24) >= 6, np.arange(24) >= 12
    found = [outcomes(right, right, [psnr] * 24) for right, psnr in
             ((good, 20.0), (near, 25.0), (careful, 30.0), (poor, 40.0))]  # fmt: skip
    assert best(found) == 1  # 20 of 24 are right at best, give or take 1.8: 19 are as good, 18 are not
    assert best(found[:1]) == 0
    assert best([outcomes(good, ~good, [50.0] * 24), found[0]]) == 1  # success alone is not right


def test_claims_are_held_against_the_rival_that_succeeds_as_often():
    half, most = np.arange(40) % 2 == 0, np.arange(40) % 4 > 0
    found = {rival.name: outcomes(half, half, [20.0] * 40) for rival in FRONTIER}
    found["sdedit 0.9"] = outcomes(most, half, [22.0] * 40)
    found["regeneration"] = outcomes(np.ones(40), np.zeros(40), [10.0] * 40)
    found["own"] = outcomes(most, most, [25.0] * 40)
    equal, regenerated = claims(found, "own")
    assert equal.startswith("own over sdedit 0.9: success +0 points (+0 to +0), kept +25 points (")
    assert equal.endswith("PSNR outside the mask +3.0 dB (+3.0 to +3.0).")
    assert regenerated.startswith("own over regeneration: success -25 points (")
    assert "kept +75 points" in regenerated
    found["own"] = found["regeneration"]
    assert len(claims(found, "own")) == 1


def test_trials_are_paired_whatever_order_they_were_measured_in(tmp_path, lab):
    trials = [Trial("validation", index, edit) for index, edit in enumerate(problems("validation", 2, ("color",)))]
    plain = Contestant("plain", "sdedit", {"steps": 1})
    records = Records(tmp_path / "edits.jsonl")
    run(lab, [plain], trials[1:], records)
    assert [record["index"] for record in run(lab, [plain], trials, records)["plain"]] == [0, 1]


def test_other_layers_are_as_many_and_different(lab, tmp_path):
    chosen = {contestant.name: contestant.options["vital_layers"] for contestant in vital.choices(Bench(lab, tmp_path))}
    drawn = [layers for name, layers in chosen.items() if name.startswith(vital.NOT_VITAL)]
    assert len(set(drawn)) == len(drawn) == vital.DRAWS
    assert all(len(layers) == len(chosen["vital"]) and not set(layers) & set(chosen["vital"]) for layers in drawn)
    assert chosen["none"] == ()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["colour"], "unknown section 'colour'"),
        (["core", "--share", "0"], "--share must be above 0"),
        (["core", "--model", "nothing"], "unknown model 'nothing'"),
        (["core", "-o", __file__], "is a file; name a folder"),
    ],
)
def test_the_command_says_what_is_wrong(monkeypatch, capsys, words, reason):
    monkeypatch.setattr("sys.argv", ["bench", *words])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_ssim_agrees_with_scikit_image():
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(0)
    first = render(scenes("validation", 1)[0])
    second = np.clip(first + rng.normal(0, 12, first.shape), 0, 255).astype(np.uint8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2}
    _, full = structural_similarity(first, second, data_range=255, full=True, **options)
    inner = np.zeros(first.shape[:2], bool)
    inner[8:-8, 8:-8] = True  # borders are padded differently
    assert ssim(first, second, inner) == pytest.approx(full[8:-8, 8:-8].mean(), abs=1e-4)
    assert ssim(first, first) == pytest.approx(1.0)
    assert np.isnan(ssim(first, second, ~np.ones_like(inner)))


def test_the_oracle_gives_clean_pictures_full_marks():
    for scene in scenes("validation", 9):
        right = score(scene, read(render(scene)))
        assert right["background"] == right["count"] == 1
        assert all(right[name] == len(scene.items) for name in ("shape", "color", "size", "position", "fill"))
    for edit in problems("validation", 1):
        facts = verdicts(edit, edit.images()[1])
        assert facts["success"]
        assert facts["kept"]
        assert facts["psnr_truth"] == facts["psnr_outside"] == float("inf")


def test_correlations_of_known_curves():
    rising, falling, flat = [1, 2, 3, 4], [4, 3, 2, 1], [5, 5, 5, 5]
    assert correlations(np.array([rising, falling, flat]).T.tolist()) == [1.0, -1.0, 0.0]


def test_what_is_recorded_is_not_measured_again(tmp_path, lab):
    path = tmp_path / "edits.jsonl"
    (edit,) = problems("validation", 1, ("color",))
    trials = [Trial("validation", 0, edit)]
    sweep = Contestant("dial", "stableflow+", {"steps": 1}, deltas=(1.0, 1.2))
    run(lab, [Contestant("plain", "sdedit", {"steps": 2}), sweep], trials, Records(path))
    lines = path.read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["plain", "dial delta 1", "dial delta 1.2"]
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:20])  # killed while writing the last line
    before = lab.cost.calls
    run(lab, [Contestant("plain", "sdedit", {"steps": 2}), sweep], trials, Records(path))
    assert len(path.read_text().splitlines()) == 3
    assert 0 < lab.cost.calls - before <= 8  # the sweep alone was made again
    before = lab.cost.calls
    run(lab, [sweep], trials, Records(path))
    assert lab.cost.calls == before


def test_records_of_other_weights_or_splits_are_not_taken_for_these(tmp_path, lab):
    Bench(lab, tmp_path).records("edits").add("one", label="a")
    assert Bench(lab, tmp_path).records("edits").known
    assert not Bench(lab, tmp_path, "test").records("edits").known
    assert not Bench(lab, tmp_path, share=0.5).records("edits").known
    (adapter := tmp_path / "adapter").write_bytes(b"weights")
    with_adapter = Bench(lab, tmp_path).records("edits", str(adapter))
    assert not with_adapter.known
    with_adapter.add("one", label="b")
    assert [record["label"] for record in Records.read(tmp_path / "edits.jsonl")] == ["a", "b"]
    adapter.write_bytes(b"others")
    assert not Bench(lab, tmp_path).records("edits", str(adapter)).known


@pytest.mark.parametrize("name", ["captions", "reconstruction"])
def test_sections_make_tables(tmp_path, lab, name):
    table = SECTIONS[name](Bench(lab, tmp_path, "validation", share=0.01))
    text = table.markdown()
    assert table.rows
    assert all(len(row) == len(table.head) for row in table.rows)
    assert "nan" not in text
    assert (tmp_path / f"{name}.jsonl").exists()
    with pytest.raises(InputError, match="unknown section"):
        SECTIONS["colour"]


class OneTrial(Bench):
    """A bench that measures the first problem only."""

    def trials(self, *asked):
        return super().trials(*asked)[:1]


@pytest.mark.parametrize("name", ["edits", "strength", "strength-layer", "tradeoff", "vital"])
def test_sections_of_edits_make_tables_and_figures(tmp_path, lab, name):
    table = SECTIONS[name](OneTrial(lab, tmp_path, "validation", share=0.01))
    assert table.rows
    assert all(len(row) == len(table.head) for row in table.rows)
    assert "1 validation edits" in table.title
    assert all(path.stat().st_size > 1000 for path in table.figures)
    labels = {json.loads(line)["label"] for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()}
    assert len(labels) == {"edits": 11, "strength": 7, "strength-layer": 7, "tradeoff": 9, "vital": 6}[name]


def test_flops_are_flux_dev_s():
    flow = flux_flow("meta")
    for size, teraflops in FLOPS.items():
        assert scale.forward(flow, size).flops / 1e12 == pytest.approx(teraflops, abs=0.05)


def test_live_bytes_sees_the_peak_and_not_the_sum():
    def work(x):
        for _ in range(5):
            x = (x + 1) * 2  # three at a time: x, x + 1 and the product
        return x

    with counting.LiveBytes() as live:
        kept = work(torch.empty(1000, device="meta"))
    assert live.peak == 4 * 1000 * 3
    assert live.now == kept.nbytes


@pytest.mark.parametrize(("name", "nfe"), [("flowedit", 48), ("stableflow", 150), ("stableflow+", 300)])
def test_work_is_what_the_algorithms_say(name, nfe):
    assert scale.work(name).nfe == nfe


def test_offload_and_quantisation_need_less():
    parts = {"transformer": footprint.Component(10**9, 10**7, 10**8), "vae": footprint.Component(10**6, 10**7, 10**6)}

    def peak(quantization, offload):
        return footprint.peak_bytes(parts, quantization, offload, activations=1e8, decoding=2e8)

    assert peak("none", "group") < peak("none", "model") < peak("none", "none")
    assert peak("bitsandbytes_4bit", "none") < peak("bitsandbytes_8bit", "none") < peak("none", "none")
    assert peak("none", "none") == 2 * (10**9 + 2 * 10**7 + 10**6) + 2e8
