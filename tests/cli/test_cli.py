"""The command line, end to end on the embedded model."""

import json
import subprocess
import sys
import time

import pytest
from conftest import GOLDEN, ROOT
from forked import forked
from PIL import Image

from flowedit_grag.cli import arguments, main
from flowedit_grag.errors import InputError


def command(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "flowedit_grag", *map(str, words)], capture_output=True, text=True, cwd=cwd, timeout=240
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    done = forked("scene", "--seed", 7, "--task", "color", "-o", folder)
    assert done.returncode == 0, done.stderr
    facts = json.loads((folder / "scene.json").read_text())
    return folder, ["--source-prompt", facts["source_prompt"], "--target-prompt", facts["target_prompt"]]


def test_help_is_quick():
    command("--help")  # once to write the byte code
    start = time.perf_counter()
    done = command("--help")
    assert time.perf_counter() - start < 1.0
    assert done.returncode == 0
    for name in ("edit", "sweep", "scene", "vital-layers", "methods"):
        assert name in done.stdout


def test_edit(scene, tmp_path):
    folder, prompts = scene
    out = tmp_path / "new" / "out.png"
    words = ["edit", folder / "source.png", *prompts, "--method", "flowedit", "--seed", 3, "-o", out]
    done = command(*words, "--json", "steps=4", "n_max=3")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["output"] == str(out)
    assert report["forward_calls"] == 3
    assert report["settings"]["options"]["steps"] == 4
    assert done.stderr == ""
    with Image.open(out) as image:
        assert image.size == (128, 128)
    assert [path.name for path in out.parent.iterdir()] == ["out.png"]


def test_edit_with_a_dial_and_a_progress_bar(scene, tmp_path):
    folder, prompts = scene
    out = tmp_path / "out.jpg"
    done = forked("edit", folder / "source.png", *prompts, "--delta", 1.1, "--lam", 1.0, "-o", out, "steps=2")
    assert done.returncode == 0, done.stderr
    assert "NFE" in done.stdout
    assert "invert" in done.stderr
    assert "edit" in done.stderr
    assert out.exists()


def test_sweep(scene, tmp_path):
    folder, prompts = scene
    out = tmp_path / "strip.png"
    done = forked("sweep", folder / "source.png", *prompts, "--delta", "0.9:1.3:3", "-o", out, "--json", "steps=2")
    assert done.returncode == 0, done.stderr
    assert [g["delta"] for g in json.loads(done.stdout)["settings"]["grag"]] == [0.9, 1.1, 1.3]
    with Image.open(out) as image:
        assert image.width > 4 * 128


def test_an_instruction_with_an_adapter_and_an_early_filter(scene, tmp_path):
    out = tmp_path / "out.png"
    model = ["--model", GOLDEN / "tiny_flux_fill", "--adapter", GOLDEN / "moe_lora", "--delta", 1.1]
    early = ["--early-filter", "2x1", "--keep-record", "--resume", "--judge", "lab"]
    words = ["--instruction", "make the circle purple", *model, *early, "-o", out, "--json", "steps=2", "width=64"]
    done = forked("edit", scene[0] / "source.png", *words)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["nfe"] == 2 + 1
    assert report["settings"]["method"] == "icedit"
    assert report["settings"]["loading"]["adapter"].endswith("moe_lora")
    assert report["settings"]["early_filter"]["seeds"] == [0, 1]
    assert json.loads((tmp_path / "out.record.json").read_text()) == report["settings"]["early_filter"]
    with Image.open(tmp_path / "out.previews.png") as sheet:
        assert sheet.width > 3 * 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png", "out.previews.png", "out.record.json"]


def test_loras_have_weights_in_a_shell(scene, tmp_path):
    folder, prompts = scene
    cases, out = ROOT / "tests" / "lora_moe" / "cases", tmp_path / "out.png"
    loras = ["--lora", f"{cases / 'noprefix.safetensors'}:0.5", "--lora", cases / "peft_default.safetensors"]
    words = [
        "edit",
        folder / "source.png",
        *prompts,
        "-o",
        out,
        "--overwrite",
        "--json",
        "--method",
        "sdedit",
        "steps=1",
    ]
    done = forked(*words, *loras)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"]["loading"] == {"lora": [str(one) for one in loras[1::2]]}
    assert "warning" not in done.stderr
    done = forked(*words, "--overwrite")
    assert json.loads(done.stdout)["settings"]["loading"] == {}
    out.unlink()
    for wrong, said in (
        (f"{cases / 'loha.safetensors'}:2", "loha.safetensors is a LoHa"),
        ("a:nan", "must be a number"),
    ):
        done = forked(*words, "--lora", wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    done = forked(*words, "lora=x")
    assert "lora is a flag of its own: write --lora" in done.stderr
    assert not out.exists()


def test_vital_layers(tmp_path):
    out = tmp_path / "vital.json"
    done = forked("vital-layers", "-o", out, "--prompts", 1, "--steps", 2)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert len(found["vitality"]) == len(found["layers"]) == 12
    assert found["vital_layers"] == [i for i, v in enumerate(found["vitality"]) if v > found["threshold"]]
    with Image.open(tmp_path / "vital.png") as chart:
        assert chart.width > 300


def test_layers_that_carry_the_source(tmp_path):
    out = tmp_path / "carry.json"
    done = forked("vital-layers", "--detector", "carry", "-o", out, "--prompts", 1, "--steps", 1)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert [one["layers"] for one in found["singles"]] == [[layer] for layer in range(12)]
    assert (found["detector"], found["steps"], len(found["pairs"])) == ("carry", 1, 1)
    assert (tmp_path / "carry.png").is_file()
    done = forked("vital-layers", "--detector", "carry", "-o", tmp_path / "no.json", "--prompts", 99)
    assert done.returncode == 2
    assert "not 99" in done.stderr
    assert not (tmp_path / "no.json").exists()


def test_methods():
    done = forked("methods")
    assert done.returncode == 0
    for words in ("flowedit", "arXiv:2412.08629", "n_max=24", "stableflow+", "solver=midpoint", "reconstruct"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),  # the text of every kind of mistake once
    [
        (["edit", "nowhere.png"], "there is no image at nowhere.png"),
        (["edit", "{source}", "stepz=3"], "did you mean 'steps'"),
        (["edit", "{source}", "--instruction", " "], "instruction is empty"),
        (["edit", "{source}", "--early-filter", "6by10"], "must be SEEDSxSTEPS"),
        (["edit", "{source}", "--early-filter", "0x10"], "from 1 on"),
        (["edit", "{source}", "--early-filter", "6x10", "--judge", "labb"], "known judges"),
        (["edit", "{source}", "--resume"], "--resume is a setting of --early-filter"),
        (["edit", "{source}", "adapter=x"], "write --adapter"),
        (["edit", "{source}", "steps"], "write KEY=VALUE"),
        (["edit", "{source}", "vital_layers=[0,1"], "cannot be read"),
        (["edit", "{source}", "model=lab"], ""),
        (["sweep", "{source}", "--method", "sdedit", "--delta", "1,2"], "these have: flowedit"),
        (["sweep", "{source}", "--method", "reconstruct"], "has nothing that a strength could turn"),
        (["sweep", "{source}", "--strength", "0.5"], "a sweep of one strength is an edit"),
        (["sweep", "{source}", "--strength", "0:2:3"], "from 0 (the weakest edit) to 1"),
        (["sweep", "{source}", "--strength", "0:1:3", "--delta", "1,2"], "give one of them"),
        (["edit", "{source}", "--strength", "2"], "from 0 (the weakest edit) to 1"),
        (["edit", "{source}", "--strength", "0.5", "--delta", "1"], "not both"),
        (["edit", "{source}", "--calibrate", "auto"], "give that too"),
        (["edit", "{source}", "--method", "os:getcwd"], "is no method"),
        (["edit", "{source}", "-o", "out.json"], "does not end in .png"),
        (["edit", "{source}", "--method", "flowedt"], "did you mean 'flowedit'"),
        (["edit", "{source}", "--model", "labb"], "did you mean 'lab'"),
        (["edit", "{source}", "--delta", "nan"], "delta must be finite"),
        (["edit", "{source}", "--delta", "-1"], ""),
        (["edit", "{source}", "-o", "/proc/nowhere/out.png"], "cannot write in"),
        (["edit", "{source}", "-o", "{folder}"], "is a folder"),
        (["edit", "{source}", "-o", "out.xyz"], ""),
        (["sweep", "{source}", "--delta", "a:b:c"], "FROM:TO:COUNT"),
    ],
)
def test_mistakes_get_one_sentence_exit_code_2_and_no_file(scene, tmp_path, monkeypatch, capsys, words, message):
    folder, prompts = scene
    words = [word.format(source=folder / "source.png", folder=folder) for word in words]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["flowedit-grag", *words[:2], *prompts, *words[2:]])
    with pytest.raises(SystemExit) as ended:  # in this process: a new one takes seconds to import torch
        main.run()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert message in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("option", "message"), [("stepz=3", "'steps'"), ("vital_layers=[0,99]", "0 to 11")])
def test_a_mistake_in_a_process_of_its_own(scene, tmp_path, option, message):
    done = command("edit", scene[0] / "source.png", *scene[1], option, "-o", "out.png", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_not_even_a_folder_is_left(scene, tmp_path):
    folder, prompts = scene
    done = forked("edit", folder / "source.png", *prompts, "--method", "flowedt", "-o", tmp_path / "new" / "out.png")
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_version():
    assert command("--version").stdout.strip().count(".") == 2


def test_the_same_seed_in_two_processes(scene, tmp_path):
    folder, prompts = scene
    words = ["edit", folder / "source.png", *prompts, "--method", "flowedit", "--seed", 3, "steps=3", "n_max=2"]
    for name in ("a.png", "b.png"):
        assert forked(*words, "-o", tmp_path / name).returncode == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_unknown_words_name_what_is_known(scene, tmp_path):
    folder, prompts = scene
    done = forked("edit", folder / "source.png", *prompts[:3], "a purple zebra", "-o", tmp_path / "out.png")
    assert done.returncode == 2
    assert "'zebra'" in done.stderr
    assert "triangle" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_prompts_are_a_usage_error(scene, tmp_path):
    folder, _ = scene
    done = forked("edit", folder / "source.png", cwd=tmp_path)
    assert done.returncode == 2
    assert "--source-prompt" in done.stderr


def test_strengths():
    assert arguments.numbers("0.9:1.3:5", "delta") == [0.9, 1.0, 1.1, 1.2, 1.3]
    assert arguments.numbers("1,2", "delta") == [1.0, 2.0]
    assert arguments.numbers("1:2:1", "delta") == [1.0]
    for wrong in ("1:2", "1:2:0", "x", ""):
        with pytest.raises(InputError):
            arguments.numbers(wrong, "delta")


def test_key_values():
    assert arguments.key_values(["steps=3", "vital_layers=[0,4]", "solver=fireflow"]) == {
        "steps": 3, "vital_layers": [0, 4], "solver": "fireflow",
    }  # fmt: skip
    with pytest.raises(InputError, match="KEY=VALUE"):
        arguments.key_values(["=3"])
    for given in (["optimizer=adamw", "optimizer.lr=3e-4"], ["optimizer.lr=3e-4", "optimizer=adamw"]):
        with pytest.raises(InputError, match=r"optimizer is given as a whole and in parts \(optimizer.lr\)"):
            arguments.key_values(given)


def test_claims_of_a_folder_that_is_not_there(tmp_path):
    done = forked("claims", tmp_path, "--measurements", tmp_path / "nowhere", "-o", tmp_path / "claims.md")
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
    assert not (tmp_path / "claims.md").exists()
