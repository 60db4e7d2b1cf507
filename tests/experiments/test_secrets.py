"""What a config takes from the environment, and what lets in at an address, is used and never written down."""

import json
import logging
import shutil
import time
import warnings
from pathlib import Path

import pytest
from kill_thirty import settings, write
from PIL import Image

from flowedit_grag import hidden
from flowedit_grag.cli import arguments, runs
from flowedit_grag.embedded import MODELS
from flowedit_grag.errors import InputError
from flowedit_grag.experiments.config import read
from flowedit_grag.hidden import address, masked, shown
from flowedit_grag.judges import judge
from flowedit_grag.judges.openai import OpenAIJudge
from flowedit_grag.methods.early_filter import EarlyFilter
from flowedit_grag.metrics import metric
from flowedit_grag.report import report
from flowedit_grag.training.config import read as read_training
from flowedit_grag.training.folder import RunFolder

pytest.importorskip("openai")
PLACE, WORD, DOOR, KEY = "s3cret-place", "swordfish-0815", "joe:l3t-me/in".replace("/", "%2F"), "k3y-k3y-k3y"
ADDRESS = f"openai:m@http://{DOOR}@127.0.0.1:9/v1?api-key={KEY}"
SECRETS = (PLACE, WORD, "l3t-me", KEY)


@pytest.fixture(autouse=True)
def nothing_hidden_yet(monkeypatch):
    monkeypatch.setattr(hidden, "_known", {})


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a model and a benchmark, which the environment knows, as it does a word and an address."""
    folder = tmp_path / PLACE
    shutil.copytree(MODELS["lab"], folder / "model")
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    line = {
        "image": "red.png",
        "source_prompt": "a red star",
        "target_prompt": "a blue star",
        "instruction": "make it blue",
    }
    (folder / "prompts.jsonl").write_text(json.dumps(line))
    for name, value in {"PLACE": str(folder), "WORD": WORD, "DOOR": f"http://{DOOR}@127.0.0.1:9/v1"}.items():
        monkeypatch.setenv(name, value)
    return folder


def secretive(out, **changes):
    asked = [{"name": "viescore", "judge": ADDRESS}, {"name": "viescore_pq", "judge": "openai:m@${oc.env:DOOR}"}]
    telling = {"method": "runner_parts:Telling", "word": "${oc.env:WORD}", "steps": 1}
    plain = settings(out)["methods"]["plain"]
    return {
        "model": "${oc.env:PLACE}/model", "dataset": {"name": "folder", "path": "${oc.env:PLACE}"}, "metrics": asked,
        "methods": {"plain": plain, "telling": telling}, **changes,
    }  # fmt: skip


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def keys(folder):
    return sorted(path.name for path in folder.glob("edits/*/*.json"))


@pytest.mark.parametrize("executor", ["serial", "local"])
def test_nothing_that_a_run_writes_or_says_holds_a_secret(place, tmp_path, capfd, executor):
    out = tmp_path / "run"
    runs.run(write(out, **secretive(out)), allow_env=True, executor=executor, workers=1)
    report([out], tmp_path / "report")
    said = "".join(capfd.readouterr())
    written = files(out) | files(tmp_path / "report")
    assert len(keys(out)) == 2
    for secret in SECRETS:
        assert secret not in said
        assert not [path for path, content in written.items() if secret.encode() in content or secret in str(path)]
    assert "there is no ${oc.env:WORD}" in said
    config = (out / "config.yaml").read_text()
    for name in ("${oc.env:PLACE}/model", "${oc.env:WORD}", "openai:m@http://***@127.0.0.1:9/v1?***"):
        assert name in config
    (record,) = [json.loads(path.read_text()) for path in out.glob("edits/telling/*.json")]
    assert record["key_inputs"]["model"]["name"] == "${oc.env:PLACE}/model"
    assert record["key_inputs"]["options"]["word"] == "${oc.env:WORD}"
    assert len(record["reason"]) < 400
    assert len(record["traceback"]) < 10**4
    (record,) = [json.loads(path.read_text()) for path in out.glob("edits/plain/*.json")]
    assert record["settings"]["model"] == "${oc.env:PLACE}/model"
    assert "judge openai:m@${oc.env:DOOR}" in (out / "table.md").read_text()


def test_another_value_is_the_same_run(place, tmp_path, monkeypatch):
    out = tmp_path / "run"
    path = write(out, **secretive(out, metrics=["l1"]))
    runs.run(path, allow_env=True)
    made, begun = keys(out), Path(f"{out}.log").read_text()
    monkeypatch.setenv("WORD", "another")
    shutil.move(place, tmp_path / "elsewhere")
    monkeypatch.setenv("PLACE", str(tmp_path / "elsewhere"))
    runs.run(path, allow_env=True)
    assert (keys(out), Path(f"{out}.log").read_text()) == (made, begun)


@pytest.mark.usefixtures("place")
def test_without_leave_the_environment_is_not_read(tmp_path):
    path = write(tmp_path / "run", **secretive(tmp_path / "run"))
    with pytest.raises(InputError, match=r"run.yaml, line \d+: .*only with --allow-env") as refused:
        read(path)
    assert PLACE not in str(refused.value)
    with pytest.raises(InputError, match="only with --allow-env"):
        read(write(tmp_path / "plain"), {"model": "${oc.env:PLACE}"})
    training = tmp_path / "training.yaml"
    training.write_text("out: ${oc.env:PLACE}\n")
    with pytest.raises(InputError, match=r"training.yaml, line 1: .*where only a run looks"):
        read_training(training)


def test_a_training_shows_no_password_either(tmp_path):
    config = read_training("icedit/train_lora", {"model": f"http://{DOOR}@host/model"})
    (folder := RunFolder(tmp_path)).begin(config)
    assert "model: http://***@host/model" in (tmp_path / "config.yaml").read_text()
    folder.check(config)


@pytest.mark.parametrize("text", [
    "${oc.decode:${oc.env:WORD}}", "${oc.create:{a:1}}", "${oc.deprecated:model}", "${oc.env:WORD,lab}",
    "${${env}:WORD}", "${oc.select:model}", "${mine:1}", "lab${oc.dict.keys:dataset}",
])  # fmt: skip
def test_other_resolvers_are_refused(tmp_path, monkeypatch, text):
    monkeypatch.setenv("WORD", WORD)
    path = write(tmp_path / "run", paper=text)
    with pytest.raises(InputError, match=r"run.yaml, line \d+: .* asks for") as refused:
        read(path, allow_env=True)
    assert WORD not in str(refused.value)


def test_a_variable_that_is_not_set_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(InputError, match=r"run.yaml, line \d+: there is no 'NOWHERE' in the environment"):
        read(write(tmp_path / "run", model="${oc.env:NOWHERE}"), allow_env=True)


def test_a_run_is_not_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WORD", str(tmp_path / WORD))
    for out in ("${oc.env:WORD}", "${oc.env:WORD}/run", "run_${oc.env:WORD}/x", "${paper}/x"):
        with pytest.raises(InputError, match="out names the run's folder, for all to see"):
            read(write(tmp_path / "run"), {"out": out, "paper": "${oc.env:WORD}"}, allow_env=True)


def test_values_of_the_config_itself_are_still_named(tmp_path):
    config = read(write(tmp_path / "run", paper=None, dataset={"name": "${model}", "per_task": 1}))
    assert config.dataset_name == "lab"
    plain = {"method": "flowedit", "steps": "${...batch_rows}", "n_max": "${.steps}"}
    rows = {"plain": plain, "same": "${methods.plain}"}
    dataset = {"name": "${metrics[${batch_rows}]}", "per_task": 1}
    nested = {"metrics": ["l1", "lab"], "batch_rows": 1, "dataset": dataset}
    config = read(write(tmp_path / "run", methods=rows, model="${metrics[1]}", **nested))
    assert [row.options for row in config.rows] == [{"steps": 1, "n_max": 1}] * 2
    rows = {"one": {"method": "flowedit"}, "two": {"method": "${methods.${dataset.name}.method}"}}
    with pytest.raises(InputError, match=r"run.yaml, line \d+: methods.two.method is made of itself, or may be"):
        read(write(tmp_path / "run", methods=rows))


@pytest.mark.parametrize("first", ["aaaaaaaaaa", "", ["a"] * 10, {"a": "a"}])
def test_references_that_multiply_are_refused_before_they_are_followed(tmp_path, first):
    for one in ("${x%d}" * 10, ["${x%d}"] * 10, {f"k{n}": "${x%d}" for n in range(10)}):
        towers = {f"x{n + 1}": json.loads(json.dumps(one).replace("%d", str(n))) for n in range(9)}
        path, began = write(tmp_path / "run", x0=first, **towers), time.monotonic()
        for reader in (lambda path: read(path), read_training):
            with pytest.raises(InputError, match=r"run.yaml, line \d+: x[3-6][.\w]* refers to what refers to more"):
                reader(path)
        assert time.monotonic() - began < 5


def test_what_an_address_lets_in_with_is_shown_nowhere():
    spec = ADDRESS
    said = [repr(judge(spec)), repr(metric("viescore", judge=spec)), metric("viescore", judge=spec).variant]
    said += [repr(EarlyFilter(judge=spec)), masked(f"cannot reach {spec}, or l3t-me/in with {KEY}")]
    with pytest.raises(InputError) as refused:
        judge(f"{spec}@".replace("openai", "open_ai"))
    for one in (*said, str(refused.value)):
        assert "***" in one
        assert not [secret for secret in ("l3t-me", "joe", KEY) if secret in one], one


SPOILT = [
    "http://me:pa/ss1word@h/v1", "http://me:p#ss1word@h/v1", "http://me:p ss1word@h/v1", "http://me:p?ss1word@h/v1",
    "http://me:80/ss1word@h/v1", "http://me:p@ss1word@h/v1", "//me:ss1word@h/v1", "ftp://me:ss1word@h/v1",
    "http://h/v1?key=a ss1word", 'http://h/v1?key=a"b ss1word', "me:ss1word@h/v1",
]  # fmt: skip


@pytest.mark.parametrize("url", SPOILT)
def test_an_address_that_is_badly_written_is_not_shown(tmp_path, url):
    spec = f"openai:m@{url}"
    config = write(tmp_path / "run", metrics=[{"name": "viescore", "judge": spec}])
    for make in (
        lambda: judge(spec), lambda: OpenAIJudge("m", url), lambda: metric("viescore", judge=spec),
        lambda: EarlyFilter(judge=spec), lambda: read(config),
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"percent-encode|is named openai:MODEL@URL") as refused:
            make()
        assert "ss1word" not in str(refused.value)
    if "//" in url:
        assert "ss1word" not in shown(address(spec)) + shown(address(url)) + repr(address(spec))


@pytest.mark.parametrize(("url", "seen"), [
    ("http://h/v1#key=ss1word", "http://h/v1#***"), ("http://h/v1;key=ss1word", "http://h/v1;***"),
    ('http://h/v1?key=a"ss1word', "http://h/v1?***"), ("http://u:ss1word@h:80/v1", "http://***@h:80/v1"),
    ("http://h/v1", "http://h/v1"),
])  # fmt: skip
def test_of_an_address_the_server_is_shown(url, seen):
    assert shown(address(f"openai:m@{url}")) == f"openai:m@{seen}"
    assert str(judge(f"openai:m@{url}").url) == url
    assert "ss1word" not in masked(f"cannot reach {url.partition('/v1')[2]}, {url}")


def test_warnings_and_logs_of_commands_are_masked(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with warnings.catch_warnings():
        monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
        arguments.quiet_libraries()
        logging.getLogger("httpx").warning("asked %s", ADDRESS)
        assert "l3t-me" not in warnings.formatwarning(f"asked {ADDRESS}", UserWarning, "", 0)
    assert "asked openai:m@http://***@127" in capsys.readouterr().err
