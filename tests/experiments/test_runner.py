"""Runs: they survive kills, share their work, and say what is wrong with a config."""

import errno
import json
import math
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
import yaml
from kill_thirty import begun, check, done, finished, pictures, settings, start, write
from PIL import Image
from runner_parts import Session
from safetensors.torch import save_file

from flowedit_grag import Editor
from flowedit_grag.cli import runs as command
from flowedit_grag.errors import InputError
from flowedit_grag.experiments import editors
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.executors import ray
from flowedit_grag.experiments.executors.monitor import Monitor
from flowedit_grag.experiments.plan import work_items
from flowedit_grag.experiments.run import run
from flowedit_grag.experiments.samples import noise_seed
from flowedit_grag.experiments.table import _entry
from flowedit_grag.files import written
from flowedit_grag.locks import Locks
from flowedit_grag.report.runs import read_runs
from flowedit_grag.result import Result

pytestmark = pytest.mark.usefixtures("one_model")
ITEMS = 16
OF_MASKS = ("psnr_outside", "l1_truth")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, lab):
    """A run that nothing interrupts."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(editors, "load", lambda model, **loading: lab)
        done(out)
    return out


def table(out):
    return json.loads((out / "table.json").read_text())


def records(out):
    return [json.loads(path.read_text()) for path in sorted(out.glob("edits/*/*.json"))]


# ---- what a run leaves ---------------------------------------------------------------------------------------


def test_what_a_run_leaves(whole):
    assert {path.name for path in whole.iterdir()} == {
        "manifest.json", "claims.lock", "config.yaml", "edits", "environment.json", "metrics", "table.json", "table.md",
    }  # fmt: skip
    assert len(finished(whole)) == len(pictures(whole)) == len(list(whole.glob("metrics/*/*.json"))) == ITEMS
    assert begun(whole).total() == ITEMS
    for record in records(whole):
        assert record["status"] == "done"
        assert record["nfe"] >= 1
        assert record["settings"]["options"]["steps"] == record["key_inputs"]["options"]["steps"] == 1
        assert record["settings"]["seed"] == noise_seed(3, record["sample"])
    lines = table(whole)["lines"]
    assert [(line["row"], line["done"], line["failures"]) for line in lines] == [("plain", 8, {}), ("half", 8, {})]
    assert [entry["n"] for entry in lines[0]["entries"]] == [8, 8]
    text = (whole / "table.md").read_text()
    assert "psnr_outside ↑" in text
    assert re.search(r"^- psnr_outside: dB", text, re.MULTILINE)


def test_means_are_of_the_stored_numbers(whole):
    values = [json.loads(path.read_text())["values"]["psnr_outside"] for path in whole.glob("metrics/half/*.json")]
    assert table(whole)["lines"][1]["entries"][1]["mean"] == pytest.approx(np.mean([one["value"] for one in values]))


def test_a_finished_run_does_nothing_again(whole, tmp_path):
    before, seen = (whole / "table.json").read_bytes(), []
    run(read(write(whole)), on_progress=seen.append)
    assert begun(whole).total() == ITEMS
    assert (whole / "table.json").read_bytes() == before
    assert [(one.step, one.steps) for one in seen if one.stage == "edits"] == [(ITEMS, ITEMS)]
    assert [(one.step, one.steps) for one in seen if one.stage == "plan"] == [(0, ITEMS), (ITEMS, ITEMS)]


def test_limit_then_all(whole, tmp_path):
    out = tmp_path / "run"
    few = done(out, limit=3)
    assert [line.done for line in few.lines] == [3, 3]
    assert begun(out).total() == 6
    done(out)
    check(out, whole, 0)


# ---- kills, and many at once ---------------------------------------------------------------------------------


def test_kills_at_random_moments(whole, tmp_path):
    out = tmp_path / "run"
    path, kills = write(out), 3
    for _ in range(kills):  # any moment will do, so every run of this test tries others
        wanted = len(finished(out)) + random.randrange(1, 4)
        process = start(path)
        while process.is_alive() and len(finished(out)) < wanted:
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert len(finished(out)) < ITEMS
    run(read(path))
    check(out, whole, kills)


def test_two_runners_at_once(whole, tmp_path):
    path = write(out := tmp_path / "run")
    both = [start(path), start(path)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    tables = [printed.read_text() for printed in tmp_path.glob("*.out")]
    check(out, whole, 0)
    assert len(tables) == 2
    assert tables[0] == tables[1] == (out / "table.md").read_text()
    workers = {line.split()[0] for line in out.with_suffix(".log").read_text().splitlines()}
    assert len(workers) == 2


def test_local_workers_make_the_same_table_though_one_dies(whole, tmp_path):
    out, bomb = tmp_path / "run", tmp_path / "bomb"
    bomb.touch()
    methods = {name: {**row, "bomb": str(bomb)} for name, row in settings(out)["methods"].items()}
    seen = []
    done(out, methods=methods, executor="local", workers=2, on_progress=seen.append)
    assert not bomb.exists()
    check(out, whole, 1)
    assert (seen[-1].step, seen[-1].steps) == (ITEMS, ITEMS)


def test_a_sample_that_kills_workers_fails_and_the_others_do_not_wait(tmp_path):
    out, mine = tmp_path / "run", tmp_path / "mine"
    sample = read(write(out)).dataset.open()[2]
    mine.write_text(sample.target_prompt)
    methods = settings(out)["methods"]
    methods["half"]["mine"] = str(mine)
    made = done(out, methods=methods, executor="local", workers=1)
    why = "RuntimeError: the process that edited it died 2 times, the last with exit code -9"
    assert [(line.done, dict(line.failures)) for line in made.lines] == [(8, {}), (7, {sample.id: why})]


def test_samples_that_kill_all_workers_at_once_fail_and_the_others_do_not_wait(tmp_path):
    out, mine = tmp_path / "run", tmp_path / "mine"
    sample = read(write(out)).dataset.open()[0]  # what both workers begin with, each in a row of its own
    mine.write_text(sample.target_prompt)
    methods = {name: {**row, "mine": str(mine)} for name, row in settings(out)["methods"].items()}
    made = done(out, methods=methods, executor="local", workers=2)
    assert [(line.done, list(line.failures)) for line in made.lines] == [(7, [sample.id])] * 2


def test_workers_that_die_again_and_again_end_the_run():
    items = [SimpleNamespace(key=key, finished=False) for key in ("one", "another")]
    monitor = Monitor(SimpleNamespace(items=items, state=lambda item: item), None, most=2)
    death = ("", "the last with exit code -9")
    monitor.died(*death)
    items[0].finished = True  # by somebody else
    monitor.look()
    monitor.died(*death)
    with pytest.raises(InputError, match=r"died 2 times and nothing was finished.*exit code -9; is there enough"):
        monitor.died(*death)


def test_a_metric_that_kills_workers_is_missing_and_costs_no_edit(tmp_path):
    out, mine = tmp_path / "run", tmp_path / "mine"
    mine.write_text(read(write(out)).dataset.open()[2].target_prompt)
    metric = {"name": "runner_parts:Deadly", "mine": str(mine)}
    made = done(out, metrics=["ssim_outside", metric, "psnr_outside"], executor="local", workers=1)
    why = "the process that measured it died 2 times, the last with exit code -9"
    assert [(line.done, dict(line.entries[1].missing)) for line in made.lines] == [(8, {why: 1})] * 2
    assert [[entry.n for entry in line.entries] for line in made.lines] == [[8, 7, 8]] * 2  # the others have theirs


def test_what_is_there_is_in_a_table_when_a_run_breaks_off(tmp_path):
    """At a file that only shows when it is loaded that it is no adapter."""
    out, poison = tmp_path / "run", tmp_path / "poison.safetensors"
    save_file({"unet.weight": torch.zeros(1)}, poison)
    changed = settings(out)["methods"]
    changed["half"]["adapter"] = str(poison)
    with pytest.raises(InputError, match=r"poison\.safetensors"):
        done(out, methods=changed, executor="local", workers=1)
    assert [(line["row"], line["done"], line["unfinished"]) for line in table(out)["lines"]] == [
        ("plain", 8, 0), ("half", 0, 8)
    ]  # fmt: skip


def test_what_a_worker_complains_of_is_said(tmp_path):
    save_file({"unet.weight": torch.zeros(1)}, poison := tmp_path / "poison.safetensors")
    with pytest.raises(InputError, match=r"poison\.safetensors is not"):
        done(tmp_path / "run", adapter=str(poison), executor="local", workers=1)


CLAIMANT = """
import pathlib, sys
from flowedit_grag.locks import Locks
with Locks(pathlib.Path(sys.argv[1])) as locks, locks.claimed("0" * 16) as first, locks.claimed("1" * 16) as other:
    print(first, other)
"""


def test_claims(tmp_path):
    path = tmp_path / "locks"
    with Locks(path) as locks, locks.claimed("0" * 16) as mine:
        said = subprocess.run([sys.executable, "-c", CLAIMANT, path], capture_output=True, text=True)
    assert mine
    assert said.stdout.split() == ["False", "True"], said.stderr


@pytest.fixture
def a_cluster(monkeypatch):
    """Ray's actors give way to everything else, and would starve beside other tests."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")


@pytest.mark.usefixtures("a_cluster")
def test_rays_actors_make_the_same_table_and_nobody_else_reaches_them(whole, tmp_path):
    seen = {}
    done(out := tmp_path / "run", executor="ray", workers=2, on_progress=lambda made: seen.update(listening()))
    check(out, whole, 0)
    assert {name for name, _ in seen} >= {"gcs_server", "raylet", "ray::RayWorker", "ray::_QueueActor"}
    assert {place for _, places in seen.items() for place in places} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}, seen


def listening():
    """By name and number, this process and all that it began: the addresses that they listen at."""
    found, me = {}, psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            ears = [one.laddr.ip for one in process.net_connections("inet") if one.status in ("LISTEN", "NONE")]
            found[process.name().partition(".")[0], process.pid] = ears
    return {who: places for who, places in found.items() if places}


@pytest.mark.usefixtures("a_cluster")
def test_a_sample_that_kills_rays_actors_fails_and_the_others_do_not_wait(tmp_path):
    out, mine = tmp_path / "run", tmp_path / "mine"
    sample = read(write(out)).dataset.open()[2]
    mine.write_text(sample.target_prompt)
    methods = {"plain": {**settings(out)["methods"]["plain"], "mine": str(mine)}}
    (line,) = done(out, methods=methods, executor="ray", workers=1).lines
    assert (line.done, list(line.failures)) == (7, [sample.id])
    assert line.failures[sample.id].startswith("RuntimeError: the process that edited it died 2 times")


def test_a_ray_that_would_listen_everywhere_is_refused(monkeypatch):
    """Such as one of a version that has no such switch."""
    library = pytest.importorskip("ray")
    monkeypatch.setattr(library.util, "get_node_ip_address", lambda: "192.0.2.2")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InputError, match="would listen on every interface"):
        ray._library()
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.2:6379")
    assert ray._library() is library


def test_a_ray_actor_that_finds_no_place_is_not_waited_for(whole, monkeypatch):
    """As when a machine with a GPU is lost, and the others have done its work."""
    asked = {}

    class Stub:
        exceptions = SimpleNamespace(RayTaskError=ConnectionError, RayActorError=ConnectionError)
        init = get = staticmethod(lambda *given, **options: None)
        put, shutdown = staticmethod(lambda job: job), staticmethod(lambda: None)
        cluster_resources = staticmethod(lambda: {"GPU": 2.0})
        util = SimpleNamespace(queue=SimpleNamespace(Queue=lambda actor_options: None))

        @staticmethod
        def remote(**options):
            asked.update(options)
            work = SimpleNamespace(remote=lambda *given: "never done")
            return lambda kind: SimpleNamespace(remote=lambda: SimpleNamespace(work=work))

        @staticmethod
        def wait(tasks, timeout):
            raise AssertionError("there is nothing left to wait for")

    monkeypatch.setattr(ray, "_library", Stub)
    done(whole, executor="ray", workers=3)
    assert asked["num_gpus"] == 0.5, "three thirds of two GPUs cannot be placed"


# ---- what goes wrong -----------------------------------------------------------------------------------------


def test_a_failing_sample_is_recorded_and_retried(whole, tmp_path):
    out, poison = tmp_path / "run", tmp_path / "poison"
    sample = read(write(out)).dataset.open()[2]
    poison.write_text(sample.target_prompt)
    methods = settings(out)["methods"]
    methods["half"]["poison"] = str(poison)
    failed = done(out, methods=methods)
    assert [dict(line.failures) for line in failed.lines] == [{}, {sample.id: "RuntimeError: poisoned"}]
    assert "half: 1 failed (RuntimeError: poisoned)" in failed.markdown()
    (record,) = [record for record in records(out) if record["status"] == "failed"]
    assert "runner_parts.py" in record["traceback"]
    done(out, methods=methods)
    assert begun(out).total() == ITEMS
    done(out, methods=methods, retry_failed=True)  # fails again, and only once
    assert begun(out).total() == ITEMS + 1
    poison.unlink()
    done(out, methods=methods, retry_failed=True)
    check(out, whole, 2)


def test_damaged_records_are_redone(whole, tmp_path):
    done(out := tmp_path / "run")
    first, second, third = sorted(out.glob("edits/plain/*.json"))[:3]
    first.write_text(first.read_text()[:100])
    second.with_suffix(".png").write_bytes(second.with_suffix(".png").read_bytes()[:100])
    third.unlink()
    fourth = sorted(out.glob("edits/half/*.json"))[-1]
    fourth.write_text(json.dumps({"key": json.loads(fourth.read_text())["key"], "status": "failed"}))
    (out / "metrics" / "half" / sorted(out.glob("metrics/half/*.json"))[0].name).write_text("{")
    with written(first.with_suffix(".png")) as left_over:
        left_over.touch()
    left_over.write_bytes(b"half")
    done(out)
    check(out, whole, 4)


def test_a_picture_that_rotted_is_made_again(whole, tmp_path):
    done(out := tmp_path / "run")
    picture = sorted(out.glob("edits/plain/*.png"))[0]
    picture.write_bytes(bytes(picture.stat().st_size))
    shutil.rmtree(out / "metrics")
    done(out)
    check(out, whole, 1)


@pytest.fixture
def interruptible():
    """pytest's own workers ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("executor", "workers"), [("serial", None), ("local", 2)])
def test_interrupted_and_gone_on_with(whole, tmp_path, executor, workers):
    def interrupt(made):
        if made.step and made.stage == "edits":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        done(out := tmp_path / "run", executor=executor, workers=workers, on_progress=interrupt)
    assert not multiprocessing.active_children()
    assert 0 < len(finished(out)) < ITEMS
    assert (out / "table.md").exists()
    assert not list(out.glob("**/.*"))
    done(out)
    check(out, whole, workers or 1)


def test_a_session_goes_on_where_an_earlier_picture_rotted(tmp_path):
    changes = {"dataset": {"name": "runner_parts:Session"}}
    done(out := tmp_path / "run", **changes)
    (first,), (second,) = (sorted(out.glob(f"edits/plain/validation-{task}-*.png")) for task in ("color", "shape"))
    before = first.read_bytes(), second.read_bytes()
    first.write_bytes(bytes(len(before[0])))
    second.unlink()
    assert not done(out, **changes).lines[0].failures
    assert (first.read_bytes(), second.read_bytes()) == before


def test_what_a_kill_left_half_written_in_the_folder_goes(tmp_path):
    done(out := tmp_path / "run", limit=1)
    for name in (".table.99.json", ".manifest.12.json", ".0a1b2c3d4e5f.6a7b8c9d.yaml"):
        (out / name).write_text("{")
    (out / ".gitignore").write_text("*")  # not ours
    done(out, limit=1)
    assert [path.name for path in out.glob(".*")] == [".gitignore"]


def test_a_limit_leaves_sessions_whole(tmp_path):
    config = read(write(tmp_path / "run", dataset={"name": "runner_parts:Sessions"}))
    taken = {limit: len({item.sample.id for item in work_items(config, limit)}) for limit in (1, 2, 3, 4, 5, 9)}
    assert taken == {1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 9: 4}


def test_a_full_disk(whole, tmp_path, monkeypatch, lab):
    out, save, saved = tmp_path / "run", Image.Image.save, []

    def full(image, path):
        if len(saved) == 5:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(path)
        save(image, path)

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match="No space left on device"):
        done(out)
    assert len(finished(out)) == len(pictures(out)) == 5
    assert not list(out.glob("**/.*"))
    monkeypatch.undo()
    monkeypatch.setattr(editors, "load", lambda model, **loading: lab)
    done(out)
    check(out, whole, 1)


def test_metrics_change_without_edits(whole, tmp_path, monkeypatch):
    done(out := tmp_path / "run")
    monkeypatch.setattr(editors.Editors, "of", lambda self, item: pytest.fail("an edit was made again"))
    other = done(out, metrics=["ssim_outside", "lab_success", "runner_parts:Absent"])
    assert other.columns == ("ssim_outside", "lab_success", "absent")
    assert [entry.n for entry in other.lines[0].entries] == [8, 8, 0]
    assert dict(other.lines[0].entries[2].missing) == {"no weights": 8}
    for path in out.glob("metrics/plain/*.json"):  # as if the metric had been set up differently since
        path.write_text(re.sub(r'("of": ")\w', r"\1-", path.read_text()))
    stopped = done(out, metrics=["ssim_outside"], executor="runner_parts:nothing")
    assert [line.entries[0].n for line in stopped.lines] == [0, 8]
    assert "plain, absent: 8 missing (no weights)" in other.markdown()
    done(out)
    check(out, whole, 0)


def test_sessions_edit_what_became_of_the_turn_before(lab, tmp_path):
    out, poison = tmp_path / "run", tmp_path / "poison"
    row = {"method": "runner_parts:Traced", "log": f"{out}.log", "poison": str(poison)}
    changes = {"dataset": {"name": "runner_parts:Session"}, "methods": {"plain": row}}
    first, second = Session().open()
    poison.write_text(first.target_prompt)
    both = {first.id: "RuntimeError: poisoned", second.id: f"InputError: the turn before, {first.id!r}, failed"}
    assert dict(done(out, **changes).lines[0].failures) == both
    poison.unlink()
    assert done(out, retry_failed=True, **changes).lines[0].done == 2
    made = {id: Image.open(path) for path in out.glob("edits/plain/*.png") for id in [path.name.split(".")[0]]}
    editor = Editor(method="sdedit", model=lab, steps=1)
    prompts = {"source_prompt": second.source_prompt, "target_prompt": second.target_prompt}
    again = editor.edit(made[first.id], **prompts, seed=noise_seed(3, second.id)).image
    assert np.array_equal(again, made[second.id])


def test_samples_that_cannot_be_read(tmp_path):
    (line,) = done(
        out := tmp_path / "run", dataset={"name": "runner_parts:Broken"}, metrics=["psnr_outside"],
        methods={"plain": settings(out)["methods"]["plain"]},
    ).lines  # fmt: skip
    assert list(line.failures.values()) == ["OSError: this file is damaged"]
    assert dict(line.entries[0].missing) == {"this file is damaged": 1}


def test_a_runner_of_fewer_samples_beside_it(tmp_path):
    done(out := tmp_path / "run", executor="runner_parts:interrupted")
    (one,) = read_runs([out])
    assert (one.manifest.limit, len(one.manifest.items)) == (None, ITEMS)


def test_masks_of_other_sizes(tmp_path):
    row = {"method": "runner_parts:Traced", "log": f"{tmp_path}/run.log"}
    changes = {"dataset": {"name": "runner_parts:OtherSizes"}, "methods": {"plain": row}, "metrics": list(OF_MASKS)}
    (line,) = done(tmp_path / "run", **changes).lines
    outside, truth = line.entries[:2]
    assert (outside.n, dict(outside.missing)) == (1, {"the mask is 256x256, but its picture 128x128": 1})
    assert truth.n == 2, "it needs no mask"


def test_what_a_benchmark_leaves_out_is_said(tmp_path):
    made = done(out := tmp_path / "run", dataset={"name": "runner_parts:Partial"}, limit=1)
    assert "- 2 of the benchmark left out (no caption)" in made.markdown()
    assert table(out)["left_out"] == {"no caption": 2}
    assert (out / "left_out.csv").read_text() == "id,reason\nx,no caption\ny,no caption\n"
    (one,) = read_runs([out])
    assert "run: 2 of the benchmark left out (no caption)." in one.remarks


def test_a_mean_is_of_finite_numbers():
    entry = _entry("psnr", [{"psnr": {"value": value}} for value in (math.inf, 30.0, 32.0)])
    assert (entry.mean, entry.n, dict(entry.missing)) == (31.0, 2, {"infinite: the pictures are the same": 1})


def test_a_disk_that_is_full_at_the_end(tmp_path, monkeypatch):
    done(out := tmp_path / "run", limit=1)

    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("flowedit_grag.experiments.table.written", full)
    with pytest.raises(InputError, match=r"cannot write in .* \(No space left on device\); make room"):
        done(out, limit=1)


def test_a_run_in_which_everything_fails_is_an_error(tmp_path):
    path = write(out := tmp_path / "run", dataset={"name": "runner_parts:Broken"}, metrics=["psnr_outside"])
    values = yaml.safe_load(path.read_text())
    values["methods"] = {"broken": {**values["methods"]["plain"], "method": "runner_parts:Failing"}}
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match="all samples failed, the first with: RuntimeError: it never works"):
        command.run(path, [])
    assert (out / "table.md").exists()


def test_a_hubs_model_is_pinned(tmp_path, monkeypatch, lab):
    config, now = dict(lab.transformer.config), "c0ffee"
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download", lambda repository, name: str(tmp_path / "snapshots" / now / name)
    )
    monkeypatch.setattr("diffusers.FluxTransformer2DModel.load_config", lambda place, **asked: config)
    changes = {"model": "someone/flux", "methods": {"plain": {"method": "sdedit"}}}
    (first, *_) = work_items(read(write(tmp_path / "run", **changes)))
    asked = []
    monkeypatch.setattr(editors, "load", lambda model, **loading: asked.append((model, loading["revision"])) or lab)
    assert editors.Editors({}).of(first).flow is lab
    assert asked == [("someone/flux", "c0ffee")]
    now = "decade"
    changes["methods"] = {"half": {"method": "sdedit", "start": 0.5}}
    assert work_items(read(write(tmp_path / "new", **changes)))[0].commit == "decade"
    manifest = {"made_with": {"plain": first.key_inputs}}
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    assert work_items(read(write(tmp_path / "run", **changes)))[0].commit == "c0ffee"  # what it was begun with
    assert "commit" not in work_items(read(write(tmp_path / "other")))[0].key_inputs["model"]


def test_the_runner_costs_little(tmp_path, monkeypatch):
    class Quick:
        method = None

        def edit(self, image, **_):
            return Result([image], image, 1, 1, 0.0, 0.0, {})

    monkeypatch.setattr(editors.Editors, "of", lambda self, item: Quick())
    costs = []
    for number in range(3):  # other work on the machine only ever adds to it
        since = time.perf_counter()
        done(out := tmp_path / f"run{number}", dataset={"name": "lab", "per_task": 4}, metrics=["psnr_outside"])
        costs.append((time.perf_counter() - since) / len(finished(out)))
    print(f"the runner's own cost: {1000 * min(costs):.1f} ms a sample, with one metric")
    assert min(costs) < 0.05


def test_a_folder_of_another_config_is_refused(whole):
    with pytest.raises(InputError, match=r"holds a run with another seed \(3 there, 4 here\)"):
        run(read(write(whole), {"seed": 4}))
    with pytest.raises(InputError, match=r"another loading.dtype \('float32' there, 'bfloat16' here\)"):
        run(read(write(whole), {"loading": {"dtype": "bf16"}}))
    with pytest.raises(InputError, match=r"another methods.half.start \(0.5 there, 0.6 here\)"):
        run(read(write(whole), {"methods": {"half": {"start": 0.6}}}))


def test_the_command(whole, capsys):
    command.run(write(whole), [])
    assert capsys.readouterr().out == (whole / "table.md").read_text()
