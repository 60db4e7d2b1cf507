"""Configs of runs: what their keys stand for, and what is wrong with one."""

import json
import re
import sys
from dataclasses import fields

import pytest
from conftest import ROOT
from kill_thirty import done, finished, settings, write
from PIL import Image

from flowedit_grag.backbone.load import load
from flowedit_grag.cli.arguments import key_values
from flowedit_grag.errors import InputError
from flowedit_grag.experiments import fingerprint
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.executors import EXECUTORS
from flowedit_grag.experiments.plan import work_items
from flowedit_grag.experiments.rows import Loading
from flowedit_grag.metrics.dino import DINO
from flowedit_grag.metrics.viescore import VIEScore
from flowedit_grag.report.runs import read_runs

pytestmark = pytest.mark.usefixtures("one_model")
CONFIGS = ROOT / "configs"


def test_keys_depend_on_what_matters(tmp_path):
    def keys(**changes):
        return [item.key for item in work_items(read(write(tmp_path / "run"), changes), limit=2)]

    base = keys()
    assert len(set(base)) == 4
    assert keys(out="elsewhere", metrics=["psnr"]) == base
    assert keys(loading={"dtype": "bfloat16"})[0] != base[0]
    assert keys(seed=4)[0] != base[0]
    for name, other in (("lora", f"{tmp_path}/x.gguf:0.5"), ("transformer", None)):
        (file := tmp_path / "x.gguf").write_bytes(name.encode())
        found = [keys(loading={name: str(file)})[0], other and keys(loading={name: other})[0]]
        file.write_bytes(b"others")
        assert len({base[0], *found, keys(loading={name: str(file)})[0]}) == 4
    (lora := tmp_path / "lora.safetensors").write_bytes(b"weights")
    before = keys(loading={"lora": str(lora)})
    lora.write_bytes(b"others")
    assert len({base[0], before[0], keys(loading={"lora": [str(lora)]})[0]}) == 3
    renamed = {f"my {name}": row for name, row in settings(tmp_path / "run")["methods"].items()}
    assert [item.key for item in work_items(read(write(tmp_path / "run", methods=renamed)), limit=2)] == base


def test_code_of_ones_own_is_part_of_a_key(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = """
from dataclasses import dataclass
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.inversion.solvers.euler import euler
from runner_parts import Absent, Traced, silent

class Method(Traced): pass
class Metric(Absent): pass
class Control(GRAG): pass
def step(v, x, s0, s1, carried): return euler.step(v, x, s0, s1, carried)
solver = type(euler)("own", step, 1)
def judge(*given): return silent(*given)
"""
    found, theirs = [], {"method": "icedit-t2i", "steps": 1}
    rows = {
        "method": {"method": "own_code:Method", "log": "x"},
        "dial": {"method": "stableflow+", "dial": {"name": "own_code:Control", "delta": 2}},
        "solver": {"method": "stableflow", "solver": "own_code:solver"},
        "judge": {**theirs, "early_filter": {"judge": "own_code:judge"}},
        "ours": {**theirs, "early_filter": {"judge": "lab"}},
    }
    for number in range(2):
        (tmp_path / "own_code.py").write_text(f"{text}# {number}")
        sys.modules.pop("own_code", None)
        fingerprint._own_code.cache_clear()
        config = read(write(tmp_path / "run", methods=rows, metrics=["own_code:Metric", "psnr"]))
        keys = {item.row.name: item.key for item in work_items(config, limit=1)}
        found.append({**keys, **{metric.name: fingerprint.of_metric(metric) for metric in config.metrics}})
    before, after = found
    assert {name for name, key in before.items() if after[name] == key} == {"ours", "psnr"}


def test_weights_in_a_folder_are_part_of_a_numbers_hash(tmp_path):
    hashes = set()
    for content in ("one", "another"):
        (tmp_path / "weights").write_text(content)
        fingerprint._folder.cache_clear()
        hashes |= {
            fingerprint.of_metric(DINO(model=str(tmp_path))),
            fingerprint.of_metric(VIEScore(judge=f"vlm:{tmp_path}")),
            fingerprint.of_judge(f"clip:{tmp_path}")["weights"],
        }
    assert len(hashes) == 6
    assert fingerprint.of_judge("lab") == fingerprint.of_judge("clip:some/where") == {}


BASE = """\
model: lab
dataset:
  name: lab
  per_task: 1
metrics:
  - lab
  - psnr
methods:
  first: {method: flowedit, steps: 4, n_max: 3}
  second:
    method: sdedit
    start: 0.5
out: runs/x
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("model: lab", "mdel: lab", r"x.yaml, line 1: unknown key 'mdel'; did you mean 'model'\?"),
        ("model: lab", "model: lob", r"line 1: unknown model 'lob'; did you mean 'lab'\?"),
        ("model: lab", "seed: 1", "does not say 'model'"),
        ("name: lab", "name: labb", r"line 3: unknown dataset 'labb'; did you mean 'lab'\?"),
        ("per_task", "per_tsk", r"line 4: unknown option of the dataset lab 'per_tsk'; did you mean 'per_task'\?"),
        ("per_task: 1", "per_task: many", "line 4: per_task must be a whole number"),
        ("- psnr", "- psnrr", r"line 7: unknown metric 'psnrr'; did you mean 'psnr'\?"),
        ("- psnr", "- lab_kept", "line 5: the metric 'lab_kept' is asked for twice"),
        ("- psnr", "- json:dumps", "line 7: 'json:dumps' is no metric"),
        ("- psnr", "- {name: l1_inside, region: outside}", "line 7: l1_inside says region: inside already"),
        ("- psnr", "- {name: clip_t, model: 5}", "line 7: model must be of type str, not 5"),
        ("- psnr", "- {name: lpips, weights: 5}", "line 7: weights must be of type str, not 5"),
        ("- psnr", "- {name: viescore, judge: opnai}", "line 7: unknown judge 'opnai'"),
        ("- psnr", "- {name: editscore, judge: lab}", "line 7: the judge 'lab' only compares"),
        ("- psnr", "- {name: psnr, where: 3}", "line 7: unknown option of the metric psnr 'where'"),
        ("method: flowedit", "method: flowedits", r"line 9: unknown method 'flowedits'; did you mean 'flowedit'\?"),
        ("method: sdedit", "method: no.where:At", "line 11: cannot import the method"),
        (
            "start: 0.5",
            "stort: 0.5",
            r"line 12: unknown option of the method sdedit 'stort'; did you mean 'start'\?",
        ),
        ("start: 0.5", "start: 1.5", "line 12: sdedit needs 0 <= start <= 1"),
        ("start: 0.5", "grag: 1.1", "line 12: sdedit has no keys to turn with grag"),
        ("steps: 4", "steps: 4, grag: yes", "line 9: grag must be None, delta"),
        ("start: 0.5", "grag: -1", "line 12: delta must be"),
        (
            "method: sdedit",
            "method: runner_parts:Traced",
            "line 10: the method runner_parts:Traced needs the option 'log'",
        ),
        (
            "start: 0.5",
            "early_filter: {seed: 6}",
            r"line 12: unknown key of early_filter 'seed'; did you mean 'seeds'",
        ),
        ("start: 0.5", "early_filter: {steps: 0}", "line 12: an early filter needs seeds and steps from 1 on"),
        ("start: 0.5", "early_filter: {judge: labb}", "line 12: unknown judge 'labb'"),
        ("steps: 4", "steps: some", "line 9: steps must be a whole number"),
        ("first:", "../first:", "line 9: methods has the id '../first'"),
        ("second:", "First:", "line 10: the rows 'first' and 'First' would share a folder"),
        ("second:", "first:", "line 10, cannot be read .found duplicate key first"),
        ("out: runs/x", "out: [", "x.yaml, line 14, is not YAML"),
        ("out: runs/x", "out: ${seed}\nseed: ${out}", "x.yaml, line 14: seed is made of itself"),
        ("out: runs/x", "out: &a [*a]", "x.yaml, line 13: out.0 contains itself"),
        ("out: runs/x", "<<: &b {a: *b}", "contains itself"),
        ("out: runs/x", "out: runs/x\nloading: {dtyp: float32}", r"line 14: unknown option of loading 'dtyp'"),
        ("out: runs/x", "out: runs/x\nloading: {dtype: float31}", r"line 14: unknown value of dtype 'float31'"),
        ("out: runs/x", "out: runs/x\nloading: {compile: 1}", "line 14: compile must be of type bool, not 1"),
        ("out: runs/x", "out: runs/x\nloading: {adapter_scale: true}", "line 14: adapter_scale must be a number"),
        ("out: runs/x", "out: runs/x\nloading: {adapter_scale: .nan}", "line 14: adapter_scale must be a number"),
        (
            "out: runs/x",
            "out: runs/x\nloading: {memory_budget: -5}",
            "line 14: memory_budget must be a whole number",
        ),
        ("out: runs/x", "out: runs/x\nloading: {quantization: 5}", "line 14: quantization must be text or a mapping"),
        ("out: runs/x", "out: runs/x\nloading: {quantization: fo}", "line 14: unknown quantization 'fo'"),
        ("out: runs/x", "out: runs/x\nloading: {attention_backend: fo}", "line 14: unknown attention_backend 'fo'"),
        ("out: runs/x", "out: runs/x\nloading: 0", "line 14: loading must be made of 'key: value' lines, not 0"),
        ("out: runs/x", "out: runs/x\nloading: {lora: [1]}", "line 14: a LoRA is a file or hub id, or a pair"),
        (
            "out: runs/x",
            "out: runs/x\nloading: {lora: [[lab-lora, much]]}",
            "line 14: the weight of the LoRA 'lab-lora'",
        ),
        ("out: runs/x", "out: runs/x\nloading: {quantization: gguf}", "line 14: quantization='gguf' is how a file"),
        ("out: runs/x", "out: runs/x\nloading: {transformer: no.gguf}", "line 14: there is no file 'no.gguf'"),
        ("out: runs/x", "out: runs/x\nloading: {transformer: no.bin}", "line 14: transformer='no.bin' is no"),
        ("out: runs/x", "out: runs/x\nloading: {lora: no.safetensors}", "line 14: there is no adapter at"),
        ("out: runs/x", "out: runs/x\nadapter: no.bin", "line 14: no.bin may be a pickle"),
        ("start: 0.5", "adapter: nowhere", "line 12: there is no adapter at 'nowhere'"),
        ("out: runs/x", "out: ???", r"x.yaml leaves out open \(\?\?\?\)"),
        ("out: runs/x", "out: runs/x\nseed: -1", "line 14: seed must be a whole number"),
        (BASE, "just text", "x.yaml must be made of 'key: value' lines"),
        (BASE, "", "x.yaml must be made of 'key: value' lines"),
    ],
)
def test_bad_configs(tmp_path, old, new, said):
    path = tmp_path / "x.yaml"
    path.write_text(BASE)
    read(path)
    path.write_text(BASE.replace(old, new))
    with pytest.raises(InputError, match=said):
        read(path)


def test_aliases_that_multiply(tmp_path):
    (path := tmp_path / "x.yaml").write_text(
        "a0: &a0 [0, 0]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    )
    with pytest.raises(InputError, match="multiply"):
        read(path)


def test_changes_on_the_command_line(tmp_path):
    (path := tmp_path / "x.yaml").write_text(BASE)
    assert read(path, {"methods": {"second": {"start": 0.7}}}).rows[1].options == {"start": 0.7}
    with pytest.raises(InputError, match="the command line: unknown option of the method sdedit 'power'"):
        read(path, {"methods": {"second": {"power": 3}}})
    with pytest.raises(InputError, match="the command line: row 'third' does not say which method"):
        read(path, {"methods": {"third": {"steps": 3}}})
    with pytest.raises(InputError, match="the command line: unknown metric 'nope'"):
        read(path, {"metrics": ["nope"]})
    with pytest.raises(InputError, match="the command line does not say 'out'"):
        read(path, {"out": None})
    path.write_text(BASE.replace("second:", "delta 0.8:"))
    assert read(path, key_values(["methods[delta 0.8].start=0.7"], flags=())).rows[1].options == {"start": 0.7}


def test_a_method_that_does_not_suit_the_model(tmp_path):
    methods = {"icedit": {"method": "icedit"}}
    with pytest.raises(InputError, match=r"line .*: ICEdit needs a Fill model"):
        done(tmp_path / "run", methods=methods)
    assert not (tmp_path / "run").exists()


def test_what_planning_finds_names_the_line(tmp_path):
    def refused(words, **changes):
        with pytest.raises(InputError, match=words):
            done(tmp_path / "run", **changes)
        assert not (tmp_path / "run").exists()

    refused(r"run.yaml, line \d+: per_task must be|run.yaml, line \d+: .*0", dataset={"name": "lab", "per_task": 0})
    refused(r"run.yaml, line \d+: .*nowhere.csv", dataset={"name": "folder", "path": str(tmp_path / "nowhere.csv")})
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    (prompts := tmp_path / "p.jsonl").write_text('{"image": "a.png", "instruction": "make it red"}\n')
    told = {"dataset": {"name": "folder", "path": str(prompts)}, "methods": {"flow": {"method": "flowedit"}}}
    refused(r"run.yaml, line \d+: no sample of .*p.jsonl has the target_prompt that flowedit works from", **told)
    refused("unknown device 'gpu'; did you mean 'cpu'", loading={"device": "gpu"})


def test_a_run_goes_on_where_there_is_less_memory(tmp_path):
    """As the advice says where there is too little."""
    done(out := tmp_path / "run", limit=1)
    before = finished(out)
    done(out, limit=1, loading={"memory_budget": 10**8, "device": "cpu"})
    assert finished(out) == before
    with pytest.raises(InputError, match=r"another loading\.compile"):
        done(out, limit=1, loading={"compile": True})


@pytest.mark.parametrize("made_with", [[], {"a": 5}, {"a": {"model": 3}}])
def test_a_manifest_that_was_changed_by_hand(tmp_path, made_with):
    done(out := tmp_path / "run", limit=1)
    (out / "manifest.json").write_text(json.dumps({"made_with": made_with}))
    done(out, limit=1)
    assert len(json.loads((out / "manifest.json").read_text())["made_with"]) == 2


def test_layers_that_the_model_does_not_have(tmp_path):
    methods = {"plain": {"method": "stableflow+", "vital_layers": [99]}}
    with pytest.raises(InputError, match=r"line .*: attention layer 99 does not exist: this model's layers are 0 to"):
        done(tmp_path / "run", methods=methods)
    assert not (tmp_path / "run").exists()


def test_an_early_filter_needs_a_diptych(tmp_path):
    methods = {"plain": {"method": "sdedit", "early_filter": {"seeds": 2}}}
    with pytest.raises(InputError, match=r"line .*: an early filter works with icedit"):
        done(tmp_path / "run", methods=methods)


def test_an_early_filter_in_a_row(tmp_path):
    row = {"method": "icedit-t2i", "steps": 2, "true_cfg": 1.0}
    best = {**row, "early_filter": {"seeds": 2, "steps": 1}}
    methods = {"one": row, "best of two": best, "by captions": {**best, "prompt": "descriptive"}}
    one, two, told = done(out := tmp_path / "run", methods=methods, limit=1).lines
    assert two.nfe == told.nfe == one.nfe + 2
    (record,) = (json.loads(path.read_text()) for path in out.glob("edits/best of two/*.json"))
    assert record["settings"]["early_filter"]["seeds"] == [record["settings"]["seed"] + n for n in range(2)]
    assert record["key_inputs"]["early_filter"]["judge"] == "lab"


def test_a_judge_that_decides_nothing_is_said_under_the_table(tmp_path):
    early = {"seeds": 3, "steps": 1, "judge": "runner_parts:silent"}
    methods = {"best of three": {"method": "icedit-t2i", "steps": 2, "true_cfg": 1.0, "early_filter": early}}
    with pytest.warns(UserWarning, match="decided nothing"):
        (line,) = (made := done(out := tmp_path / "run", methods=methods, limit=1)).lines
    why = "the judge failed (no power)"
    assert dict(line.undecided) == {why: 2}
    assert f"- best of three: 2 of the early filter's comparisons undecided ({why})" in made.markdown()
    (outcome,) = read_runs([out])[0].outcomes["best of three"].values()
    assert list(outcome.undecided) == [why] * 2


def test_flags(tmp_path):
    with pytest.raises(InputError, match="--limit must be from 1 on"):
        done(tmp_path / "run", limit=0)
    with pytest.raises(InputError, match="serial has one worker"):
        done(tmp_path / "run", workers=2)
    with pytest.raises(InputError, match="unknown executor 'locl'; did you mean 'local'"):
        done(tmp_path / "run", executor="locl")
    assert set(EXECUTORS) == {"serial", "local", "ray"}


RUNS = [path for path in sorted(CONFIGS.rglob("*.yaml")) if not path.stem.startswith("train")]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_our_own_configs(path):
    assert read(path).rows
    head = path.read_text().partition("\nmodel:")[0]
    name = path.relative_to(CONFIGS).with_suffix("")
    assert all(line.startswith("#") for line in head.splitlines())
    for part in ("arXiv:", f"flowedit-grag run {name}", "Cost", "Expected", "NFE"):
        assert part in head


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("lab/*.yaml")), ids=lambda path: path.stem)
def test_what_was_measured_here_stands_in_the_docs_alone(path):
    expected = path.read_text().partition("model:")[0].partition("# Expected: ")[2]
    if not path.stem.startswith("train"):
        assert expected.startswith(("docs/results.md.\n", "docs/lab.md, "))
    assert not re.search(r"\d\.\d\d", expected.partition("Not as")[0])


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("lab/*.yaml")), ids=lambda path: path.stem)
def test_our_lab_configs_can_be_planned(path, tmp_path):
    """Every row suits its model; the header says how many edits there are."""
    if path.stem.startswith("train"):
        return
    config = read(path, {"out": str(tmp_path)})
    items = work_items(config)
    samples = len({item.sample.id for item in items})
    assert len(items) == samples * len(config.rows)
    assert f"{samples} edits in " in path.read_text()
    assert config.dataset.split == "validation"


def test_tasks_of_the_lab(tmp_path):
    config = read(write(tmp_path / "run", dataset={"name": "lab", "per_task": 2, "tasks": ["style", "color"]}))
    found = {sample.id: sample.instruction for sample in config.samples}
    assert list(found) == [f"validation-{task}-00{index}" for index in range(2) for task in ("style", "color")]
    every = {sample.id: sample.instruction for sample in read(write(tmp_path / "run")).samples}
    assert found["validation-style-000"] == every["validation-style-000"]
    for tasks, said in (
        (["colour"], "unknown task 'colour'; did you mean 'color'"),
        ([], "at least one"),
        (["add", "add"], "each once"),
        ([1], "tasks must be of type str"),
    ):
        with pytest.raises(InputError, match=rf"run.yaml, line \d+: .*{said}"):
            read(write(tmp_path / "run", dataset={"name": "lab", "tasks": tasks}))


def test_loading_has_what_load_takes():
    assert {f.name for f in fields(Loading)} == set(load.__kwdefaults__) - {"adapter", "revision"}
