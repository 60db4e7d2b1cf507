"""The lab's Fill model and its adapters: the recipe runs from what is shipped, and what is shipped edits."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open

from benchmarks.adapters import parameters
from flowedit_grag import Editor, load
from flowedit_grag.embedded import ADAPTERS, MODELS
from flowedit_grag.lab.splits import problems
from flowedit_grag.lora_moe import read_adapter
from recipes.lab import decoder, export, fill, latents, loop
from recipes.lab.export import halve

MB = 2**20
AVERAGING = """
import torch
from recipes.lab.loop import average_gradients, joined, place
with joined():
    rank, processes = place()
    one, two, other, none = (torch.zeros(shape, requires_grad=True) for shape in ((2, 3), (4,), (5,), (6,)))
    one.grad, two.grad = torch.full((2, 3), float(rank)), torch.arange(4.0) * (rank + 1)
    if rank == 1:
        other.grad = torch.ones(5)
    average_gradients([one, none, other, two])
assert processes == 2 and none.grad is None
assert torch.equal(one.grad, torch.full((2, 3), 0.5)) and torch.equal(two.grad, torch.arange(4.0) * 1.5)
assert torch.equal(other.grad, torch.full((5,), 0.5))
"""


@pytest.fixture(scope="module")
def lab_fill():
    return load("lab-fill")


def test_what_is_shipped_is_small():
    files = [file for file in MODELS["lab-fill"].rglob("*") if file.is_file()] + list(ADAPTERS.values())
    assert sum(file.stat().st_size for file in files) < 30 * MB
    assert {file.suffix for file in files} == {".json", ".safetensors"}


def test_the_mixture_has_no_more_parameters_than_the_lora():
    lora, mixture = (
        sum(
            weight.numel()
            for part in read_adapter(name).modules.values()
            for weight in part.stacked("", False).values()
        )
        for name in ("lab-lora", "lab-moe")
    )
    assert 0.95 * lora < mixture <= lora


def test_a_method_finds_its_embedded_model(recolor):
    assert Editor("stableflow+", steps=2).flow.name == "lab"
    editor = Editor("icedit", steps=2)
    assert editor.flow.name == "lab-fill"
    assert editor.flow.loading == {"adapter": "lab-moe"}
    assert editor.method.width == 128
    assert parameters(editor.flow) > 0
    bare = Editor("icedit", adapter=None)  # said, not left out
    assert bare.flow.loading == {}
    assert parameters(bare.flow) == 0
    made = editor.edit(recolor.images()[0], instruction=recolor.instruction)
    assert made.settings["loading"] == {"adapter": "lab-moe"}
    again = Editor("icedit", model=editor.flow, steps=1).edit(recolor.images()[0], instruction=recolor.instruction)
    assert again.settings["loading"] == {"adapter": "lab-moe"}
    assert made.image.size == (128, 128)


def test_scenes_of_the_lab_are_no_strangers(recwarn):
    editor = Editor("icedit", steps=1)
    for edit in problems("validation", 2):
        editor.edit(edit.images()[0], instruction=edit.instruction)
    assert not [one for one in recwarn if "does not look like" in str(one.message)]
    with pytest.warns(UserWarning, match="does not look like a scene of the lab"):
        editor.edit(np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8), instruction="remove the star")


def test_stock_diffusers_loads_it():
    from diffusers import FluxFillPipeline

    pipeline = FluxFillPipeline.from_pretrained(MODELS["lab-fill"])
    assert pipeline.transformer.config.in_channels == 384
    assert pipeline.transformer.config.out_channels == 64


def test_the_recipe_starts_from_what_is_shipped(tmp_path, monkeypatch, lab):
    monkeypatch.setattr(latents, "SHARD", 4)
    monkeypatch.setattr(latents, "BATCH", 2)
    monkeypatch.setattr(fill, "BATCH", 4)
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    export.train_shipped(tmp_path, 1)
    weights = torch.load(tmp_path / "flux.pt")["ema"]["transformer"]
    assert all(torch.equal(weights[name], own) for name, own in lab.transformer.state_dict().items())
    latents.train_masks(tmp_path, 9)  # number 8 shows two backgrounds
    assert len(latents.load(tmp_path, "masked-diptychs")[1]) == 12
    assert len(latents.load(tmp_path, "masked-scenes")[1]) == 4
    fill.train(tmp_path, 2)
    for step, predicted in ((1, 0.0), (2, 1.0)):
        monkeypatch.setattr(decoder, "PREDICTED", predicted)
        decoder.train_fill(tmp_path, step)
    log = [json.loads(line) for line in (tmp_path / "fill_decoder.jsonl").read_text().splitlines()]
    assert [line["predicted"] for line in log] == [0.0, 1.0]
    export.train_fill(tmp_path, 1, weights=tmp_path / "weights")
    editor = Editor("icedit", tmp_path / "weights", steps=1)
    with pytest.warns(UserWarning, match="does not look like a scene of the lab"):  # it is black
        made = editor.edit(np.zeros((128, 128, 3), np.uint8), instruction="remove the star")
    assert made.image.size == (128, 128)
    assert load(tmp_path / "weights").profile.settings["icedit"]["width"] == 128


def test_processes_average_their_gradients(tmp_path):
    script = tmp_path / "averaging.py"
    script.write_text(AVERAGING)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script]
    done = subprocess.run([sys.executable, *launch], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_adapters_are_halved_with_their_notes(tmp_path):
    halve(ADAPTERS["lab-moe"], tmp_path / "again.safetensors")
    with safe_open(ADAPTERS["lab-moe"], "pt") as old, safe_open(tmp_path / "again.safetensors", "pt") as new:
        assert old.metadata() == new.metadata()
        names = set(new.keys())
        assert names == set(old.keys())
        assert {new.get_tensor(name).dtype for name in names} == {torch.float16}
