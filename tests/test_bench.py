"""Measurements: they agree with what is known, survive kills, and their sections run."""

import json

import numpy as np
import pytest
import torch

from flowedit_grag.errors import InputError
from flowedit_grag.evaluation import counting, footprint, scale
from flowedit_grag.evaluation.bench import SECTIONS
from flowedit_grag.evaluation.bench.base import Bench
from flowedit_grag.evaluation.bench.strength import correlations
from flowedit_grag.evaluation.edits import Contestant, Trial, run, verdicts
from flowedit_grag.evaluation.following import score
from flowedit_grag.evaluation.records import Records
from flowedit_grag.evaluation.shape import flux_flow
from flowedit_grag.evaluation.splits import problems, scenes
from flowedit_grag.evaluation.ssim import ssim
from flowedit_grag.evaluation.summary import difference, mean
from flowedit_grag.lab.oracle import read
from flowedit_grag.lab.render import render
from flowedit_grag.lab.tasks import TASKS

FLOPS = {(512, 512): 21.5, (1024, 1024): 74.4, (1536, 1024): 117.0}  # TFLOP, 512 text tokens, by an independent count


def test_splits_are_seeded_and_apart():
    assert scenes("held-out", 4) == scenes("held-out", 6)[:4]
    assert scenes("held-out", 4) != scenes("validation", 4)
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
    paired = difference(values + 0.5, values)
    assert paired.low == pytest.approx(0.5) == paired.high


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
    assert list(Bench(lab, tmp_path).records("edits").where(label="a"))
    assert not Bench(lab, tmp_path, "validation").records("edits").known
    assert not Bench(lab, tmp_path, share=0.5).records("edits").known
    (adapter := tmp_path / "adapter").write_bytes(b"weights")
    with_adapter = Bench(lab, tmp_path).records("edits", str(adapter))
    assert not with_adapter.known
    with_adapter.add("one", label="b")
    assert [record["label"] for record in Records.read(tmp_path / "edits.jsonl")] == ["b"]  # the last measured
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
