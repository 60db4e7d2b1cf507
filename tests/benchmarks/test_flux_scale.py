"""FLUX.1-dev's cost: counted as others count it, and predicted the right way round."""

import json
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from benchmarks import counting, flux_scale, gpu_rows, scale
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


def test_the_script_measures_a_small_flux(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_rows, "METHODS", {name: METHODS[name] for name in ("sdedit", "rf-solver-edit")})
    words = "measure calls methods --device cpu --small --repeats 1 -o"
    flux_scale.main([*words.split(), str(tmp_path)])
    rows = [json.loads(line) for line in (tmp_path / "flux_scale.jsonl").read_text().splitlines()]
    assert [row["rows"] for row in rows if row["section"] == "calls"] == [1, 2, 3] * 2
    methods = [row for row in rows if row["section"] == "methods"]
    assert [(row["method"], row["NFE of an edit"]) for row in methods] == [("sdedit", 20), ("rf-solver-edit", 60)] * 2
    assert all(row["over the bare calls"] > 0 and row["device"] for row in methods)
    flux_scale.main(["tables", str(tmp_path / "flux_scale.jsonl")])
    assert "| 64×64 | sdedit |" in capsys.readouterr().out


def test_a_section_that_fails_is_a_row_and_time_that_is_up_ends_it(monkeypatch):
    def broken(plan):
        yield {"what": "first"}
        raise RuntimeError("out of memory\nat length")

    plan = gpu_rows.Plan(lambda: None, "cpu", ())
    monkeypatch.setattr(flux_scale, "SECTIONS", {"one": broken, "two": lambda plan: iter([{"what": "second"}])})
    rows = list(flux_scale.measured(plan, ["one", "two"], 60))
    assert [row.get("what") for row in rows] == ["first", None, "second"]
    assert rows[1]["failed"] == "RuntimeError: out of memory"
    rows = list(flux_scale.measured(plan, ["one", "two"], 0))
    assert [row["failed"] for row in rows] == ["not begun: 0 seconds were given"] * 2


def test_the_script_is_one():
    done = subprocess.run(
        [sys.executable, "benchmarks/flux_scale.py", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "python benchmarks/flux_scale.py measure" in done.stdout
