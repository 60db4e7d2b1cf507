"""What it costs to plan a run, and to go on with one: counted, not timed."""

import hashlib
import json

import pytest
from kill_thirty import done, write

from flowedit_grag.experiments import fingerprint, manifest
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.datasets import lab as lab_benchmark
from flowedit_grag.experiments.plan import work_items
from flowedit_grag.lab.tasks import EditingProblem

pytestmark = pytest.mark.usefixtures("one_model")


def counted(monkeypatch, module, name):
    """Every call of ``module.name`` from now on."""
    calls, function = [], getattr(module, name)

    def counting(*given, **options):
        calls.append(given)
        return function(*given, **options)

    monkeypatch.setattr(module, name, counting)
    return calls


def test_a_finished_item_costs_two_reads_and_one_hash_on_resume(tmp_path, monkeypatch):
    """What a run costs by itself is taken off: two runs of different size are compared."""
    costs, items = [], []
    for per_task in (1, 2):
        changes = {"dataset": {"name": "lab", "per_task": per_task}, "metrics": ["lab", "ssim"]}
        done(out := tmp_path / f"run{per_task}", **changes)
        with monkeypatch.context() as patch:
            reads, hashes = counted(patch, json, "loads"), counted(patch, hashlib, "sha256")
            made = done(out, **changes)
        costs.append((len(reads), len(hashes)))
        items.append(sum(line.done for line in made.lines))
    assert items == [16, 32]
    reads, hashes = ((more - fewer) / (items[1] - items[0]) for fewer, more in zip(*costs, strict=True))
    assert 0 < reads <= 2
    assert 0 < hashes <= 1


def test_a_lab_run_is_planned_without_drawing(tmp_path, monkeypatch):
    drawn = counted(monkeypatch, lab_benchmark, "render")
    masks = counted(monkeypatch, EditingProblem, "mask")
    config = read(write(tmp_path / "run", dataset={"name": "lab", "per_task": 20}))
    seen = []
    items = work_items(config, on_progress=seen.append)
    assert not drawn
    assert not masks
    assert {one.stage for one in seen} == {"plan"}
    assert [one.step for one in seen] == [0, 100, 200, 300, 320]
    items[0].sample.image()
    assert len(drawn) == 1


def test_a_lab_problem_is_known_by_its_scenes(tmp_path):
    first, second = read(write(tmp_path / "run")).samples[:2]
    assert fingerprint.of_sample(first)["image"] == repr(first.edit) != fingerprint.of_sample(second)["image"]


def test_the_manifest_is_written_once(tmp_path, monkeypatch):
    written = counted(monkeypatch, manifest, "written")
    done(out := tmp_path / "run", limit=1)
    assert len(written) == 1
    done(out, limit=1)
    assert len(written) == 1
    done(out, limit=2)
    assert len(written) == 2
