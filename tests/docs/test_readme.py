"""README's commands and snippets, run as they stand there, in order and in one folder.

What README says is read from README. Here is only what makes a run short (``SHORTER``), and what stands in for models
that would have to be downloaded (``stand_ins``).
"""

import json
import re
import runpy
import shlex
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import GOLDEN, ROOT
from PIL import Image
from test_judges_models import clip_folder  # noqa: F401 (fixture)
from yaml import safe_load

from flowedit_grag import list_methods
from flowedit_grag.cli import main
from flowedit_grag.lab.export import write_edit

README = (ROOT / "README.md").read_text()
TINY_FILL = GOLDEN / "tiny_flux_fill"
SHORTER = {  # command -> what is appended
    "sweep": ["steps=2"],
    "vital-layers": ["--prompts", "1", "--steps", "1"],
    "analyze": ["--steps", "2"],
    "calibrate": ["--pictures", "1", "steps=2"],
    "train": [
        f"model={TINY_FILL}", "data.source=lab", "data.pairs=4", "samples.pairs=1", "samples.every=0", "steps=1",
        "width=32", "dtype=float32",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder with the repository's configs and a photo."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "configs").symlink_to(ROOT / "configs")
    Image.effect_noise((96, 64), 40).convert("RGB").save(folder / "photo.jpg")
    return folder


@pytest.fixture
def stand_ins(clip_folder):  # noqa: F811 (fixture)
    """What README names -> what takes its place."""
    return {
        "black-forest-labs/FLUX.1-Fill-dev": str(TINY_FILL),
        '"black-forest-labs/FLUX.1-dev"': f'"{GOLDEN / "tiny_flux"}", vital_layers=[0, 2]',
        "RiverZ/normal-lora": str(GOLDEN / "normal_lora"),
        "openai:Qwen/Qwen2.5-VL-7B-Instruct@http://localhost:8000/v1": "lab",
        "--judge clip": f"--judge clip:{clip_folder}",
        ', offload="model"': "",  # needs a GPU
    }


def blocks(language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def commands():
    """The lines of README's shell blocks, with those joined that a backslash continues."""
    joined = "\n".join(blocks("")).replace("\\\n", " ")
    return [line for line in joined.splitlines() if shlex.split(line, comments=True)]


def replaced(text, stand_ins):
    for theirs, ours in stand_ins.items():
        text = text.replace(theirs, ours)
    return text


def test_every_command_is_one_that_is_run():
    assert len(commands()) > 10
    assert {shlex.split(line, comments=True)[0] for line in commands()} <= {"make", "flowedit-grag", "python"}


def test_make_has_the_targets():
    makefile = (ROOT / "Makefile").read_text()
    targets = [shlex.split(line, comments=True)[1] for line in commands() if line.startswith("make ")]
    assert targets
    for target in targets:
        assert f"\n{target}:" in makefile


def test_shell(folder, stand_ins, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for line in commands():
        if line.startswith("flowedit-grag "):
            words = prompted(shlex.split(replaced(line, stand_ins), comments=True)[1:])
            code, said = typed([*words, *shorter(words)], monkeypatch, capsys)
            assert code == 0, f"{line}\n{said}"
            for path in written(words):
                assert path.exists(), f"{line} wrote no {path}"


def prompted(words):
    """With the scene's own prompts in place of "…"."""
    if "…" not in words:
        return words
    facts = json.loads(Path("scene/scene.json").read_text())
    prompts = {f"--{name.replace('_', '-')}": facts[name] for name in ("source_prompt", "target_prompt")}
    return [prompts[before] if word == "…" else word for before, word in zip(["", *words], words, strict=False)]


def shorter(words):
    """What to append to a command so that it takes seconds."""
    if words[:2] == ["analyze", "toy"] or (words[0] == "edit" and any(word.startswith("n_max=") for word in words)):
        return []
    if words[0] == "edit":
        return ["steps=10", "width=64"] if "--early-filter" in words else ["steps=2"]
    if words[0] == "run":
        config = next(path for path in (Path(words[1]), Path(f"configs/{words[1]}.yaml")) if path.exists())
        rows = safe_load(config.read_text())["methods"]
        free = [name for name in rows if "n_max" not in rows[name] and f"[{name}].steps" not in " ".join(words)]
        return ["--limit", "1", *(f"methods[{name}].steps=2" for name in free)]
    return SHORTER.get(words[0], [])


def typed(words, monkeypatch, capsys):
    """The exit code and what was said on stderr."""
    monkeypatch.setattr(sys, "argv", ["flowedit-grag", *words])
    with pytest.raises(SystemExit) as ended:  # in this process: a new one takes seconds to import torch
        main.run()
    return ended.value.code, capsys.readouterr().err


def written(words):
    """The paths that follow ``-o``."""
    return [Path(word) for before, word in pairwise(words) if before == "-o"]


def test_python(folder, stand_ins, monkeypatch):
    monkeypatch.chdir(folder)
    write_edit(Path("scene"), seed=7, task="color")
    for code in blocks("python"):
        short = re.sub(r"(Editor\(method=\"icedit\")", r"\1, width=64", replaced(code, stand_ins))
        short = re.sub(r"(Editor\(method=\"[^\"]+\")", r"\1, steps=10", short)
        exec(compile(short, "README.md", "exec"), {})
    for name in re.findall(r"\.save\(\"([^\"]+)\"\)", README):
        assert (folder / name).exists()


def test_modules_that_are_run_take_the_words(monkeypatch):
    """They measure for minutes, and so are only asked for help with what README says."""
    for command in re.findall(r"\bpython -m ([^`#\n]+)", README):
        module, *words = shlex.split(command)
        monkeypatch.setattr(sys, "argv", [module, *words, "--help"])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        assert ended.value.code == 0, command


def test_files_that_are_named_exist():
    named = set(re.findall(r"\b(?:configs|docs|tests|recipes|benchmarks)/[\w/.-]+\.\w+", README))
    assert len(named) > 5
    for path in named:
        assert (ROOT / path).exists(), path


def test_every_method_is_there():
    assert all(f"`{name}`" in README for name in list_methods())
