"""FLUX.1-dev's cost: counted as others count it, and predicted the right way round."""

import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from benchmarks import counting, flux_scale, scale
from benchmarks.shape import flux_flow
from flowedit_grag.methods import METHODS

FLOPS = {(512, 512): 21.5, (1024, 1024): 74.4, (1536, 1024): 117.0}  # TFLOP, 512 text tokens, by an independent count


def test_flops_are_flux_dev_s():
    flow = flux_flow("meta")
    for size, teraflops in FLOPS.items():
        assert scale.forward(flow, size)[0] / 1e12 == pytest.approx(teraflops, abs=0.05)


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
    parts = {"transformer": scale.Component(10**9, 10**7, 10**8), "vae": scale.Component(10**6, 10**7, 10**6)}

    def peak(quantization, offload):
        return scale.peak_bytes(parts, quantization, offload, activations=1e8, decoding=2e8)

    assert peak("none", "group") < peak("none", "model") < peak("none", "none")
    assert peak("bitsandbytes_4bit", "none") < peak("bitsandbytes_8bit", "none") < peak("none", "none")
    assert peak("none", "none") == 2 * (10**9 + 2 * 10**7 + 10**6) + 2e8


def test_the_script_measures_a_shallow_flux(tmp_path, monkeypatch):
    monkeypatch.setattr(flux_scale, "METHODS", {name: METHODS[name] for name in ("sdedit", "rf-solver-edit")})
    monkeypatch.setattr(flux_scale, "overhead", lambda flow, run, repeats: 0.125)
    words = ["measure", "--device", "cpu", "--layers", "1", "1", "--size", "64", "64", "--steps", "1", "-o"]
    monkeypatch.setattr("sys.argv", ["flux_scale.py", *words, str(tmp_path / "table.md")])
    flux_scale.main()
    title, *_, first, second = (tmp_path / "table.md").read_text().splitlines()
    assert "FLUX.1-dev with 1+1 blocks, 64×64, cpu" in title
    assert first.startswith("| sdedit | 1 |")
    assert second.startswith("| rf-solver-edit | 4 |")
    assert second.endswith("| 12.5% |")


def test_the_script_is_one():
    done = subprocess.run(
        [sys.executable, "benchmarks/flux_scale.py", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "python benchmarks/flux_scale.py measure" in done.stdout
