"""Input that is bad in ways that nobody means: refused in one sentence, before anything is loaded, and at once."""

import json
import sys
import time

import pytest
from kill_thirty import begun, done, settings, write
from PIL import Image

from flowedit_grag import Editor
from flowedit_grag.cli import main
from flowedit_grag.cli.arguments import key_values, numbers
from flowedit_grag.errors import InputError
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.datasets import benchmark
from flowedit_grag.experiments.datasets.lab import MOST
from flowedit_grag.methods import method
from flowedit_grag.methods.early_filter import EarlyFilter
from flowedit_grag.report import report
from flowedit_grag.training.config import read as read_training

DIGITS = "9" * 400
NESTED = "[" * 300 + "]" * 300


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """What the command line says to ``words``: one sentence, within seconds, with exit code 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.yaml").write_text("model: lab-fill\nout: trained\ndata: lab\n")
    write(tmp_path / "run")

    def of(*words):
        monkeypatch.setattr(sys, "argv", ["flowedit-grag", *map(str, words)])
        start = time.process_time()
        with pytest.raises(SystemExit) as ended:
            main.run()
        *planned, line = capsys.readouterr().err.strip().splitlines()
        assert (ended.value.code, line[:7]) == (2, "error: "), line
        assert not any("error" in before or "Traceback" in before for before in planned), planned
        assert len(line) < 1000
        assert time.process_time() - start < 20
        return line

    return of


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (f"dataset.per_task={MOST + 1}", f"per_task must be from 1 to {MOST}, as many as there are scenes of one item"),
        (f"seed={DIGITS}", "seed has a number of more than 18 digits"),
        (f"methods[plain].steps={DIGITS}", "steps has a number of more than 18 digits"),
        (f"methods[plain].guidance=0x{'F' * 5000}", "guidance has a number of more than 18 digits"),
        (f"seed={'9' * 5000}", "the option seed cannot be read: Exceeds the limit"),
        (f"metrics={NESTED}", "the option metrics cannot be read: brackets within each other, over 50"),
        (f"metrics={'[' * 20_000}", "the option metrics cannot be read: brackets within each other, over 50"),
        ("metrics=" + "{a: " * 300 + "1" + "}" * 300, "brackets within each other, over 50"),
        ("[=1", "'[' is no option's name; write KEY=VALUE"),
        (".=1", "unknown key ''"),
        ("methods[plain].steps=:", "the option methods[plain].steps cannot be read: expected"),
        ("methods=[]", "the command line: methods does not fit what"),
        ("out=/", "the command line: the last part of out names the run, and '/' has no name"),
        ("out=..", "the last part of out names the run"),
        ("out=runs/..", "the last part of out names the run"),
        ("out=.", "the last part of out names the run"),
        ("seed=${out}/${seed}", "the command line: seed is made of itself"),
        ("seed=${.seed.x}", "seed is made of itself"),
        ("seed=${nowhere.x}", "the command line: '${nowhere.x}' is no value of the config"),
        ("model=a\x00b", "the option model cannot be read: unacceptable character"),
        ('model="a\\0b"', "model has a character that is none"),
        (f"adapter={'x' * 200_000}", "adapter has more than 100000 characters"),
        (
            "methods[plain].method=.a:b",
            "cannot import the method '.a:b': an address is written 'my_package.my_file:MyThing'",
        ),
        ("metrics=[.a:b]", "cannot import the metric '.a:b': an address is written"),
        ("dataset.name='a:'", "cannot import the dataset 'a:': an address is written"),
        (f"model={'x' * 255}", "unknown model"),
        (f"model=x/{'y' * 255}", "cannot"),
        (f"adapter={'x' * 255}.safetensors", "there is no adapter at"),
        (f"loading.lora=[{'x' * 300}]", "there is no adapter at"),
        (f"out={'x' * 256}", "File name too long"),
        (f"out=a/{'x' * 256}/b", "File name too long"),
    ],
)
def test_a_change_of_a_run(said, change, sentence, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert sentence in said("run", "run.yaml", change)


@pytest.mark.parametrize(
    ("name", "path", "sentence"),
    [
        ("pie", "x" * 255, "path must be the unpacked PIE-Bench"),
        ("folder", "x" * 300, "is neither a folder nor a .csv"),
        ("folder", "x" * 300 + ".csv", "cannot be read"),
        ("magicbrush", "x" * 300, "cannot be read"),
        ("emu", "x" * 300, "cannot be read"),
    ],
)
def test_a_path_of_a_benchmark(name, path, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence):
        done(tmp_path / "run", dataset={"name": name, "path": path})


@pytest.mark.parametrize("command", ["run", "train"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("/dev/zero", "/dev/zero is a device or a pipe; give a file in YAML"),
        ("x" * 255, "there is no config at xxx"),
        ("x" * 300 + "/y", "there is no config at xxx"),
        ("a\nb", "there is no config at a b"),
    ],
)
def test_a_name_of_a_config(said, command, name, sentence):
    assert sentence in said(command, name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"metrics: {NESTED}", "line 1, is not YAML (brackets within each other, over 50)"),
        (f"metrics: {'[' * 20_000}", "line 1, is not YAML (brackets within each other, over 50)"),
        ("\n".join(f"{' ' * depth}a:" for depth in range(60)), "a is nested more than 50 deep"),
        ("- " * 3000, "is nested more than 50 deep"),
        (f"seed: {'9' * 5000}", "is not a config in YAML|cannot be read"),
        ('model: "\\0"', "model has a character that is none"),
        ("a: &a [*a]", "a.0 contains itself"),
        ("x: !!int z", "is not a config in YAML|cannot be read"),
    ],
)
@pytest.mark.parametrize("reader", [read, read_training])
def test_a_config(reader, text, sentence, tmp_path):
    (path := tmp_path / "c.yaml").write_text(text)
    start = time.process_time()
    with pytest.raises(InputError) as refused:
        reader(path)
    assert any(part in str(refused.value) for part in sentence.split("|")), refused.value
    assert time.process_time() - start < 5


def test_a_training(said):
    for change, sentence in (
        (f"steps={DIGITS}", "18 digits"),
        (f"data={NESTED}", "over 50"),
        ("[=1", "'[' is no option's name"),
    ):
        assert sentence in said("train", "t.yaml", change)
    with pytest.raises(InputError, match=r"the command line: adapter does not fit what .*train_lora"):
        read_training("icedit/train_lora", {"adapter": []})


def test_options_called_like_arguments():
    for name in ("name", "self", "method", "options", "flow", "kwargs"):
        with pytest.raises(InputError, match=f"unknown option of the method flowedit '{name}'"):
            method("flowedit", **{name: "x"})
    for name in ("name", "self", "flow", "image"):
        with pytest.raises(InputError, match=f"unknown option of the method flowedit '{name}'"):
            Editor("flowedit", **{name: "x"})
    with pytest.raises(InputError, match="unknown option of the dataset lab 'name'"):
        benchmark("lab", **{"name": "x"})


def test_strengths_without_end():
    for text in ("0:1:100000000", f"0:1:{DIGITS}"):
        with pytest.raises(InputError, match="ask for 1 to 1000"):
            numbers(text, "delta")
    assert len(numbers("0:1:1000", "delta")) == 1000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["edit", "{image}", "steps=100000000"], "steps must be a whole number from 1 to 10000, not 100000000"),
        (["edit", "{image}", "steps=100000000", "--method", "sdedit"], "steps must be a whole number from 1 to 10000"),
        (["edit", "{image}", "n_avg=100000000", "--method", "flowedit"], "1 <= n_avg <= 1000"),
        (["vital-layers", "--seeds", "100000000"], "one seed (and up to 1000)"),
        (["vital-layers", "--steps", "100000000"], "steps must be a whole number from 1 to 10000"),
        (["analyze", "bias", "{image}", "--steps", "100000000"], "steps must be a whole number from 1 to 10000"),
        (["train", "t.yaml", "data.pairs=100000000"], "pairs must be at most 10000000"),
    ],
)
def test_counts_that_no_memory_holds(said, words, sentence, tmp_path):
    Image.new("RGB", (64, 64)).save(image := tmp_path / "a.png")
    typed = [str(image) if word == "{image}" else word for word in words]
    if words[0] in ("edit", "analyze"):
        typed += [
            "--source-prompt",
            "a red circle on a sky background",
            "--target-prompt",
            "a blue circle",
            "-o",
            "b.png",
        ]
    if words[0] == "vital-layers":
        typed += ["-o", "v.json"]
    assert sentence in said(*(word if word != "b.png" or words[0] == "edit" else "new" for word in typed))


def test_seeds_of_an_early_filter():
    with pytest.raises(InputError, match="up to 1000 seeds, not 999999999 and 1"):
        EarlyFilter(seeds=999_999_999, steps=1)


def test_a_message_stays_one_line_that_can_be_read():
    for given in ("x" * 100_000, "\n" * 5000, ["y"] * 50_000):
        with pytest.raises(InputError) as refused:
            method("flowedit", steps=given)
        said = str(refused.value)
        assert len(said) < 1000
        assert "\n" not in said
        assert said.startswith("steps must be a whole number, not")
    with pytest.raises(InputError, match=r"steps has a number of more than 18 digits|cannot be read"):
        key_values([f"steps={DIGITS}"])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("os.path:join", r"'os.path:join' is no executor; it must be a function of \(job, workers, on_progress\)"),
        ("os:sep", "'os:sep' is no executor"),
        ("builtins:print", "'builtins:print' is no executor"),
        (".a:b", "cannot import the executor '.a:b': an address is written"),
        ("own_exits:x", "cannot import the executor 'own_exits:x': SystemExit: 7"),
        ("own_fails:x", "cannot import the executor 'own_fails:x': ZeroDivisionError: division by zero"),
        ("own_broken:x", "cannot import the executor 'own_broken:x': SyntaxError"),
    ],
)
def test_an_executor(name, sentence, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for module, text in (("own_exits", "raise SystemExit(7)"), ("own_fails", "1 / 0"), ("own_broken", "def :")):
        (tmp_path / f"{module}.py").write_text(text)
    with pytest.raises(InputError, match=sentence):
        done(tmp_path / "run", executor=name)
    assert not (tmp_path / "run").exists()


# ---- the folder of a run -------------------------------------------------------------------------------------


@pytest.fixture
def failing(tmp_path, one_model):
    """A run of one sample, which failed; what it is begun again with."""
    out, poison = tmp_path / "run", tmp_path / "poison"
    poison.write_text(read(write(out)).dataset.open()[0].target_prompt)
    rows = {"plain": {**settings(out)["methods"]["plain"], "poison": str(poison)}}
    assert len(done(out, methods=rows, limit=1).lines[0].failures) == 1
    return out, {"methods": rows, "limit": 1, "retry_failed": True}


@pytest.mark.parametrize("clock", [lambda now: now - 86_400, lambda now: 0.0, lambda now: now])
def test_a_clock_that_runs_backwards_does_not_retry_for_ever(failing, clock, monkeypatch):
    """Nor one that stands still, or is a day behind that of whoever made the failure."""
    out, again = failing
    now = clock(time.time())
    monkeypatch.setattr(time, "time", lambda: now)
    assert begun(out).total() == 1
    assert len(done(out, **again).lines[0].failures) == 1
    assert begun(out).total() == 2, "tried again, once"
    assert len(done(out, **again).lines[0].failures) == 1
    assert begun(out).total() == 3


@pytest.mark.parametrize("name", ["config.yaml", "manifest.json", "claims.lock", "table.json", "record", "picture"])
def test_a_folder_in_the_place_of_a_file(one_model, tmp_path, name):
    done(out := tmp_path / "run", limit=1)
    (record,) = out.glob("edits/plain/*.json")
    path = {"record": record, "picture": record.with_suffix(".png")}.get(name, out / name)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=r"(?i)is a directory") as refused:
        done(out, limit=1)
    assert str(out) in str(refused.value)
    path.rmdir()
    assert [line.done for line in done(out, limit=1).lines] == [1, 1]


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999", DIGITS, "9" * 5000, '"1"', "true"])
def test_numbers_that_are_none_in_files_of_a_run(one_model, tmp_path, number):
    """A cost that is no number makes the record a damaged one, which is made again; a score is measured again, unless
    it is what equal pictures have."""
    whole = done(out := tmp_path / "run", limit=1)
    (record,) = out.glob("edits/plain/*.json")
    (scores,) = out.glob("metrics/plain/*.json")
    found = json.loads(record.read_text())
    record.write_text(json.dumps({**found, "nfe": "@"}).replace('"@"', number))
    values = json.loads(scores.read_text())
    values["values"]["psnr_outside"]["value"] = "@"
    scores.write_text(json.dumps(values).replace('"@"', number))
    if number in ("Infinity", "1e999"):
        report([out], tmp_path / "report")
    assert begun(out).total() == 2
    made = done(out, limit=1)
    assert begun(out).total() == 3
    assert made.lines[0].nfe == whole.lines[0].nfe
    infinite = made.lines[0].entries[1].missing
    assert (made == whole) != bool(infinite)
    assert bool(infinite) == (number in ("Infinity", "1e999"))


def test_infinity_in_a_file_of_layers(tmp_path):
    for text in ('{"vital_layers": [Infinity]}', '{"vital_layers": Infinity}', '{"vital_layers": NaN}', "Infinity"):
        (path := tmp_path / "n.json").write_text(text)
        with pytest.raises(InputError, match="vital_layers"):
            method("stableflow", vital_layers=str(path))
    with pytest.raises(InputError, match=r"vital_layers cannot be read from '/dev/zero': it is no file"):
        method("stableflow", vital_layers="/dev/zero")


@pytest.mark.parametrize("reader", [read, read_training])
def test_a_config_that_takes_minutes_to_read(tmp_path, reader):
    (file := tmp_path / "long.yaml").write_text("methods:\n" + "- a word and another\n" * 300_000)
    start = time.process_time()
    with pytest.raises(InputError, match="more than 250000 characters"):
        reader(file)
    assert time.process_time() - start < 5
