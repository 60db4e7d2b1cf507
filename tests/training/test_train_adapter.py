"""Training of adapters: resumes to the bit, learns, reads its data, and says what is wrong."""

import copy
import dataclasses
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import GOLDEN, ROOT
from omegaconf import OmegaConf
from PIL import Image

from flowedit_grag import Editor, load
from flowedit_grag.backbone.families.flux_fill import context_right_of
from flowedit_grag.backbone.model_info import model_info
from flowedit_grag.cli.runs import train as command
from flowedit_grag.errors import InputError
from flowedit_grag.locks import Locks
from flowedit_grag.lora_moe import LoraMoeConfig, load_adapter
from flowedit_grag.methods.icedit import ICEdit
from flowedit_grag.training import loop
from flowedit_grag.training.config import TrainConfig, read
from flowedit_grag.training.data import SOURCES
from flowedit_grag.training.data.lab import LabSource
from flowedit_grag.training.data.usable import Usable, shuffled
from flowedit_grag.training.diptychs import diptychs, draw, loss, velocity
from flowedit_grag.training.folder import RunFolder
from flowedit_grag.training.loop import add_adapter, train
from flowedit_grag.training.optimizers import ProdigyConfig

MODEL = str(GOLDEN / "tiny_flux_fill")
CONFIGS = ROOT / "configs"
WIDTH = 32
MIXTURE = {"rank": 4, "router": "softmax_then_topk"}
ADAMW = {"name": "adamw", "lr": 3e-3}


def settings(out, **changes):
    base = {
        "model": MODEL, "out": str(out), "width": WIDTH, "steps": 3, "batch": 1, "accumulation": 1, "dtype": "float32",
        "data": {"source": "lab", "pairs": 12}, "adapter": {"experts": 1, "rank": 4}, "optimizer": ADAMW,
        "samples": {"pairs": 2, "every": 0, "steps": 1},
    }  # fmt: skip
    return {**base, **changes}


def run(out, **changes):
    return train(TrainConfig.of(settings(out, **changes)))


def log(folder):
    return (folder / "log.jsonl").read_text()


def losses(folder):
    return [json.loads(line)["loss"] for line in log(folder).splitlines()]


# ---- runs ----------------------------------------------------------------------------------------------------

STEPS = 14
LONG = {
    "steps": STEPS, "checkpoint_every": 4, "adapter": MIXTURE, "samples": {"pairs": 2, "every": 10, "steps": 1},
    "optimizer": {"name": "prodigy", "lr": 100.0},  # else its step size would not move in so few steps
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of a mixture with Prodigy that nothing interrupts."""
    out = tmp_path_factory.mktemp("whole")
    process = started(out, tmp_path_factory.mktemp("config") / "config.yaml")
    assert process.wait() == 0
    return out


def started(out, config):
    """The run in a process of its own, as people start it."""
    OmegaConf.save(OmegaConf.create(settings(out, **LONG)), config)
    code = "import sys, pathlib; from flowedit_grag.cli.runs import train; train(pathlib.Path(sys.argv[1]), [])"
    return subprocess.Popen([sys.executable, "-c", code, config], stdout=subprocess.DEVNULL)


def test_a_killed_run_resumes_to_the_same_losses(whole, tmp_path):
    out, config = tmp_path / "run", tmp_path / "config.yaml"
    process = started(out, config)
    wanted = random.randrange(1, STEPS - 2)  # any step will do, so every run of this test tries another
    while process.poll() is None and (not (out / "log.jsonl").exists() or len(losses(out)) < wanted):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    done = log(out).splitlines()
    assert wanted <= len(done) < STEPS
    (out / "log.jsonl").write_text(log(out) + '{"step": ')  # a line cut off
    for name in (".checkpoint.1.pt", ".pytorch_lora_weights.1.safetensors"):
        (out / name).write_bytes(b"half")
    assert started(out, config).wait() == 0
    assert log(out) == log(whole)
    before, after = (torch.load(folder / "checkpoint.pt")["adapter"] for folder in (whole, out))
    assert all(torch.equal(before[name], after[name]) for name in before)
    first, last = (json.loads(line)["learning_rate"] for line in log(whole).splitlines()[:: STEPS - 1])
    assert last > first  # else Prodigy's own state was not put to the test
    assert not list(out.glob(".*"))


def test_a_folder_has_one_run_at_a_time(tmp_path):
    run(tmp_path, steps=1)
    with Locks(tmp_path / "train.lock") as locks, locks.claimed("0"):
        code = (
            "import sys, pathlib; from flowedit_grag.training.folder import RunFolder\n"
            "with RunFolder(pathlib.Path(sys.argv[1])).claimed(): pass"
        )
        found = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert f"another process trains in {tmp_path}; wait for it" in found.stderr


def test_a_damaged_log_is_said(tmp_path):
    run(tmp_path, steps=1)
    (tmp_path / "log.jsonl").write_bytes(b"\0\0\0\n" + (tmp_path / "log.jsonl").read_bytes())
    with pytest.raises(InputError, match=r"log\.jsonl is damaged"):
        run(tmp_path, steps=2)


def test_a_checkpoint_is_never_ahead_of_its_adapter(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*given):
        raise Killed

    monkeypatch.setattr(loop, "save_adapter", killed)
    with pytest.raises(Killed):
        run(tmp_path, steps=1)
    assert not RunFolder(tmp_path).checkpoint.exists()
    monkeypatch.undo()
    assert run(tmp_path, steps=1).is_file()
    assert len(losses(tmp_path)) == 1


def test_what_a_run_leaves(whole):
    names = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("tensorboard/events")}
    assert len(events) == 1
    assert names - events == {
        "checkpoint.pt", "config.yaml", "experts.png", "log.jsonl", "loss.png", "pytorch_lora_weights.safetensors",
        "samples/step-000010.png", "samples/step-000014.png", "train.lock",
    }  # fmt: skip
    assert [json.loads(line)["step"] for line in log(whole).splitlines()] == list(range(1, STEPS + 1))
    values = OmegaConf.to_container(OmegaConf.load(whole / "config.yaml"))
    assert TrainConfig.of(values).adapter.experts == 4
    with Image.open(whole / "samples" / "step-000014.png") as sheet:
        assert sheet.width > 3 * 128


def test_the_adapter_loads_and_edits(whole):
    flow = load(MODEL)
    image = Image.open(GOLDEN / "source_128.png")
    editor = Editor("icedit", flow, width=WIDTH, steps=1)
    plain = editor.edit(image, instruction="make it red").image
    found = load_adapter(flow.transformer, whole, router="softmax_then_topk")
    assert (found.experts, found.rank) == (4, 4)
    state = torch.load(whole / "checkpoint.pt")["adapter"]
    loaded = flow.transformer.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    assert editor.edit(image, instruction="make it red").image.size == plain.size


def test_another_config_in_the_same_folder_is_refused(whole):
    values = settings(whole, **LONG)
    folder = RunFolder(whole)
    folder.check(TrainConfig.of({**values, "steps": 2 * STEPS, "checkpoint_every": 1}))
    with pytest.raises(InputError, match=r"another adapter\.rank \(4 there, 5 here\)"):
        folder.check(TrainConfig.of({**values, "adapter": {**MIXTURE, "rank": 5}}))
    with pytest.raises(InputError, match=r"another optimizer\.(decay|name)"):
        train(TrainConfig.of({**values, "optimizer": ADAMW}))


@pytest.mark.parametrize("spoiled", ["loss", "gradient"])
def test_a_step_without_a_number_spoils_no_checkpoint(tmp_path, monkeypatch, spoiled):
    """And what the message says helps: the run goes on with another learning rate."""
    run(tmp_path, steps=1)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    class Spoiled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value * float("nan") if spoiled == "loss" else value.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * float("nan")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "loss", lambda *given: Spoiled.apply(loss(*given)))
        with pytest.raises(InputError, match=r"step 2 has a loss or a gradient .*optimizer.lr may help"):
            run(tmp_path, steps=2)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    run(tmp_path, steps=2, optimizer={**ADAMW, "lr": 1e-4}, gradient_checkpointing=True)
    assert [json.loads(line)["learning_rate"] for line in log(tmp_path).splitlines()] == [ADAMW["lr"], 1e-4]


def test_places_that_cannot_be_written_are_said_before_the_model_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "load", lambda *given, **options: pytest.fail("loaded"))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write in .*choose another folder with out="):
        run(tmp_path / "file" / "run")


def test_edits_are_as_wide_as_the_adapter_was_trained(tmp_path):
    adapter = run(tmp_path, steps=1)
    assert Editor("icedit", model=MODEL, adapter=str(adapter)).method.width == WIDTH
    assert Editor("icedit", model=MODEL, adapter=str(adapter), width=64).method.width == 64
    assert model_info(MODEL, adapter=str(adapter)).profile.for_method("icedit", {"width"}) == {"width": WIDTH}


class Stopped(Exception):
    pass


def test_adamw_resumes_too_and_overfits_a_pair(tmp_path):
    """Stopped at step 6, after the checkpoint of step 4."""
    changes = {"data": {"source": "lab", "pairs": 1}, "samples": {"pairs": 0}, "steps": 12, "checkpoint_every": 4}
    run(tmp_path / "whole", **changes)

    def stop(done):
        if done.step == 6:
            raise Stopped

    with pytest.raises(Stopped):
        train(TrainConfig.of(settings(tmp_path / "parts", **changes)), stop)
    run(tmp_path / "parts", **changes)
    assert log(tmp_path / "parts") == log(tmp_path / "whole")
    found = losses(tmp_path / "whole")
    assert np.mean(found[-4:]) < 0.9 * np.mean(found[:4])


def test_the_learning_rate_falls_at_the_end(tmp_path):
    changes = {"optimizer": {**ADAMW, "decay": 0.5}, "steps": 4}
    run(tmp_path, **changes)
    rates = [json.loads(line)["learning_rate"] for line in log(tmp_path).splitlines()]
    assert rates == pytest.approx([ADAMW["lr"], ADAMW["lr"], ADAMW["lr"], ADAMW["lr"] / 2])
    with pytest.raises(InputError, match=r"another steps \(4 there, 6 here\)"):
        run(tmp_path, **{**changes, "steps": 6})


def test_gradient_checkpointing_changes_nothing(tmp_path):
    for on in (False, True):
        run(tmp_path / str(on), gradient_checkpointing=on, steps=2)
    assert log(tmp_path / "True") == log(tmp_path / "False")


def test_accumulation_is_a_larger_batch(tmp_path):
    run(tmp_path / "batch", batch=2, steps=2)
    run(tmp_path / "parts", accumulation=2, steps=2)
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "batch"), rel=1e-4)


def test_bfloat16(tmp_path):
    run(tmp_path, dtype="bfloat16", adapter=MIXTURE, steps=1)
    assert np.isfinite(losses(tmp_path)).all()
    assert {value.dtype for value in torch.load(tmp_path / "checkpoint.pt")["adapter"].values()} == {torch.float32}


def test_prodigy_round_trips_to_the_bit(tmp_path):
    def steps(weight, optimizer, numbers):
        for number in numbers:
            target = torch.randn(8, 5, generator=torch.Generator().manual_seed(number))
            optimizer.zero_grad()
            ((weight - 1 - 0.1 * target) ** 2).sum().backward()
            optimizer.step()

    first = torch.nn.Parameter(torch.zeros(8, 5))
    optimizer = ProdigyConfig().build([first])
    steps(first, optimizer, range(40))
    folder = RunFolder(tmp_path)
    folder.save({"weight": first.detach(), "optimizer": optimizer.state_dict()})
    state = folder.load()
    second = torch.nn.Parameter(state["weight"])
    again = ProdigyConfig().build([second])
    again.load_state_dict(state["optimizer"])
    assert again.param_groups[0]["d"] > 1e-6
    steps(first, optimizer, range(40, 60))
    steps(second, again, range(40, 60))
    assert torch.equal(first, second)


# ---- a step --------------------------------------------------------------------------------------------------


def test_training_sees_what_an_edit_sees(tiny_fill):
    method, pairs = ICEdit(width=WIDTH), [LabSource()[0], LabSource()[1]]
    batch = diptychs(tiny_fill, method, pairs)
    noise, _ = draw(0, range(2), batch.latents.shape[1:])
    with torch.no_grad():
        found = velocity(tiny_fill.transformer, noise, torch.full((2,), 0.5), batch, torch.float32)
    for row, pair in enumerate(pairs):
        source = method.frame().encode(tiny_fill, pair.source.resize((WIDTH, WIDTH), Image.Resampling.LANCZOS))
        context = context_right_of(tiny_fill, source, WIDTH // 16)
        assert torch.equal(batch.context[row : row + 1], context)
    flow = tiny_fill.filling(source, WIDTH // 16)
    edits = flow.velocity(batch.condition[1], 1.0)(noise[1:], 0.5)
    assert torch.allclose(found[1:], edits, atol=1e-5)
    whole = tiny_fill.decode(batch.latents[:1])
    assert whole.size == (2 * WIDTH, WIDTH)


def test_models_without_a_guidance_embedding_are_trained_too(tiny_fill):
    config = {**tiny_fill.transformer.config, "guidance_embeds": False}
    network = type(tiny_fill.transformer).from_config(config)
    flow = dataclasses.replace(tiny_fill, pipeline=copy.copy(tiny_fill.pipeline))
    flow.pipeline.transformer = network
    batch = diptychs(flow, ICEdit(width=WIDTH), [LabSource()[0]])
    noise, sigma = draw(0, [0], batch.latents.shape[1:])
    assert loss(network, batch, noise, sigma, torch.float32).isfinite()


def test_pictures_to_look_at_do_not_end_a_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(loop, "write_samples", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("no room")))
    run(tmp_path, samples={"pairs": 2, "every": 1, "steps": 1})
    assert len(losses(tmp_path)) == 3
    assert "no samples at step 1: no room" in caplog.text


def test_noise_belongs_to_a_sample():
    noise, sigma = draw(3, [4, 9], (2, 4, 6))
    alone, own = draw(3, [9], (2, 4, 6))
    assert torch.equal(noise[1:], alone)
    assert torch.equal(sigma[1:], own)
    assert not torch.equal(noise, draw(4, [4, 9], (2, 4, 6))[0])
    for mean in (0.0, 2.0):
        many = draw(0, range(4000), (1,), mean)[1].logit() - mean
        assert abs(many.mean()) < 0.08
        assert many.std() == pytest.approx(1.0, abs=0.05)


def test_every_pair_once_an_epoch():
    first, second = ([shuffled(n, 7, seed=1) for n in range(start, start + 7)] for start in (0, 7))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


def test_only_the_adapter_gets_gradients_and_the_router_learns():
    flow = load(MODEL)
    trainable = add_adapter(flow, LoraMoeConfig(**MIXTURE), seed=0)
    assert all(".lora_" in name for name in trainable)
    for name, weight in trainable.items():
        if ".lora_B." in name:
            torch.nn.init.normal_(weight, std=0.05)
    batch = diptychs(flow, ICEdit(width=WIDTH), [LabSource()[0]])
    loss(flow.transformer, batch, *draw(0, [0], batch.latents.shape[1:]), torch.float32).backward()
    routers = [weight.grad.abs().max() > 0 for name, weight in trainable.items() if "lora_route" in name]
    assert len(routers) == 10
    assert any(routers)
    networks = (flow.transformer, flow.pipeline.vae, flow.pipeline.text_encoder, flow.pipeline.text_encoder_2)
    weights = {name: weight for network in networks for name, weight in network.named_parameters()}
    assert all(weight.grad is None for name, weight in weights.items() if ".lora_" not in name)


# ---- data ----------------------------------------------------------------------------------------------------


def picture(seed, size=(48, 40)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8))


@pytest.fixture
def folder(tmp_path):
    lines = []
    for index in range(3):
        for panel in ("source", "target"):
            (tmp_path / panel).mkdir(exist_ok=True)
            picture(index, (48, 40 + 10 * index)).save(tmp_path / panel / f"{index}.png")
        lines.append(json.dumps({"image": f"{index}.png", "instruction": f"make it {index}"}))
    (tmp_path / "instructions.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def source(name, **options):
    return SOURCES[name](**options).open()


def test_a_folder(folder, tmp_path):
    pairs = source("folder", path=str(folder))
    assert len(pairs) == 3
    assert pairs[1].instruction == "make it 1"
    assert pairs[1].source.size == (48, 50)
    data = {"source": "folder", "path": str(folder)}
    run(tmp_path / "run", data=data, samples={"pairs": 1, "every": 1, "steps": 1}, steps=1)
    assert len(losses(tmp_path / "run")) == 1
    with pytest.raises(InputError, match="choose panel=square, or batch=1"):
        run(tmp_path / "batch", data=data, samples={"pairs": 0}, batch=3, panel="proportional")
    run(tmp_path / "square", data=data, samples={"pairs": 0}, batch=3, steps=1)
    (folder / "instructions.jsonl").write_text((folder / "instructions.jsonl").read_text().rsplit("\n", 2)[0] + "\n")
    with pytest.raises(InputError, match="was begun with 3 pairs and cannot go on with 2"):
        run(tmp_path / "square", data=data, samples={"pairs": 0}, batch=3, steps=2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "line 4 is not JSON"),
        ('"text"', "line 4 is not like"),
        ('{"image": "0.png"}', "line 4 needs an image and an instruction"),
        ('{"image": "0.png", "instruction": 3}', "line 4: instruction must be text"),
        ('{"image": "0.png", "instruction": " "}', "line 4 needs an image and an instruction"),
        ('{"image": "9.png", "instruction": "x"}', "line 4: there is no image at .*source/9.png"),
        ('{"image": "../target/0.png", "instruction": "x"}', "line 4: '../target/0.png' leads out of .*source"),
    ],
)
def test_a_folder_with_a_bad_line(folder, line, message):
    with open(folder / "instructions.jsonl", "a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=message):
        source("folder", path=str(folder))


def test_lines_may_hold_what_other_readers_break_at(folder):
    file = folder / "instructions.jsonl"
    line = json.dumps({"image": "0.png", "instruction": "make it\u2028red"}, ensure_ascii=False)
    file.write_text("\ufeff" + line + "\n", encoding="utf-8")
    (pair,) = source("folder", path=str(folder))
    assert pair.instruction == "make it\u2028red"


def test_folders_with_bad_pictures(folder, caplog):
    with pytest.raises(InputError, match="cannot be read"):
        source("folder", path=str(folder / "nowhere"))
    picture(0, (48, 90)).save(folder / "target" / "0.png")
    (folder / "target" / "1.png").write_bytes(b"no picture")
    pairs = source("folder", path=str(folder))
    with pytest.raises(InputError, match="not an image"):
        pairs[1]
    usable = Usable(pairs, len(pairs), WIDTH)
    names = [[Path(usable[index].name).name for index in range(len(usable))] for _ in range(2)]
    assert names == [["2.png"] * 3] * 2  # the only good one, whenever it is asked for
    said = [record.getMessage() for record in caplog.records]
    assert [("differ in shape" in text, "not an image" in text) for text in said] == [(True, False), (False, True)]
    (folder / "source" / "2.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no pair can be used among 3 in a row; the last: "):
        usable[2]


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Writes columns as a parquet file, pictures as the hub's data sets hold them."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()

    def write(name, **columns):
        rows = datasets.Dataset.from_dict(columns)
        for column in columns:
            if column.endswith("img"):
                rows = rows.cast_column(column, datasets.Image())
        rows.to_parquet(tmp_path / name)
        return str(tmp_path / name)

    return write


def pictures(start, count=2):
    return [picture(seed) for seed in range(start, start + count)]


def test_tables_of_magicbrush_and_omniedit(table, tmp_path):
    brush = table("a.parquet", source_img=pictures(0), target_img=pictures(5), instruction=["one", "two"])
    omni = table("b.parquet", src_img=pictures(10), edited_img=pictures(15), edited_prompt_list=[["a", "b"], ["c"]])
    pairs = source("huggingface", paths=[brush, omni])
    assert [pair.instruction for pair in pairs] == ["one", "two", "a", "c"]
    for index, (before, after) in enumerate([(0, 5), (1, 6), (10, 15), (11, 16)]):
        assert np.array_equal(pairs[index].source, picture(before))
        assert np.array_equal(pairs[index].target, picture(after))
    data = {"source": "huggingface", "paths": [brush, omni]}
    run(tmp_path / "run", data=data, samples={"pairs": 0}, batch=2, steps=1)
    assert len(losses(tmp_path / "run")) == 1


def test_a_folder_of_splits_is_read_by_split(table, tmp_path):
    for split in ("train", "dev"):
        table(f"{split}-00000.parquet", source_img=pictures(0), target_img=pictures(5), instruction=[split] * 2)
    assert {pair.instruction for pair in source("huggingface", paths=[str(tmp_path)])} == {"train"}
    assert {pair.instruction for pair in source("huggingface", paths=[str(tmp_path)], split="dev")} == {"dev"}
    assert len(source("huggingface", paths=[str(tmp_path)], split="other")) == 4


def test_tables_with_something_wrong(table, tmp_path):
    import pyarrow.parquet as parquet

    numbers = table("n.parquet", source_img=pictures(0), instruction=["a", "b"], target=[1, 2])
    renamed = parquet.read_table(numbers).replace_schema_metadata().rename_columns({"target": "target_img"})
    parquet.write_table(renamed, numbers)
    with pytest.raises(InputError, match="the column 'target_img' holds no pictures"):
        source("huggingface", paths=[numbers])
    foreign = table("a.parquet", before_img=pictures(0), text=["one", "two"])
    with pytest.raises(InputError, match="has the columns before_img, text; known are MagicBrush"):
        source("huggingface", paths=[foreign])
    empty = table("b.parquet", source_img=pictures(0), target_img=pictures(5), instruction=["one", ""])
    with pytest.raises(InputError, match=r"b\.parquet, row 1: the instruction is empty"):
        source("huggingface", paths=[empty])[1]
    assert source("huggingface", paths=[empty])[0].instruction == "one"  # which one bad row must not cost
    gap = table("c.parquet", source_img=[*pictures(0, 1), None], target_img=pictures(5), instruction=["one", "two"])
    with pytest.raises(InputError, match="row 1: there is no source_img"):
        source("huggingface", paths=[gap])[1]
    (tmp_path / "d.parquet").write_bytes(b"no table")
    with pytest.raises(InputError):
        source("huggingface", paths=[str(tmp_path / "d.parquet")])
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"there is no \*\.parquet"):
        source("huggingface", paths=[str(tmp_path / "none")])


# ---- configs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted(CONFIGS.glob("*/train_*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_the_configs_that_are_shipped(path):
    config = read(path)
    assert config.optimizer == ProdigyConfig() or path.parent.name == "lab"  # the paper's, but for the lab's own
    assert (config.adapter.experts == 1) == (path.stem == "train_lora")
    assert f"flowedit-grag train {path.relative_to(CONFIGS).with_suffix('')}" in path.read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stpes": 3}, "unknown option of the config 'stpes'; did you mean 'steps'?"),
        ({"adapter": {"rnak": 3}}, "unknown option of adapter 'rnak'; did you mean 'rank'?"),
        ({"optimizer": {"name": "prodgy"}}, "unknown optimizer 'prodgy'; did you mean 'prodigy'?"),
        (
            {"optimizer": {"name": "adamw", "safeguard_warmup": True}},
            "unknown option of the optimizer adamw 'safeguard_warmup'",
        ),
        ({"optimizer": {"lr": 1}}, "optimizer does not say 'name'"),
        ({"optimizer": {"name": "adamw", "decay": 1.5}}, "optimizer: decay is a part of the steps, 0 to 1, not 1.5"),
        ({"data": {"source": "folders"}}, "unknown data source 'folders'; did you mean 'folder'?"),
        ({"data": {"source": "folder"}}, "the data source folder needs the option 'path'"),
        ({"data": "lab"}, "data does not say 'source'"),
        ({"data": {"source": "huggingface", "paths": "x"}}, "data: paths must be a list"),
        ({"adapter": 4}, "adapter must be made of 'key: value' lines"),
        ({"adapter": {"experts": 2, "top_k": 3}}, "adapter: LoRA-MoE needs 1 <= top_k"),
        ({"steps": "many"}, "the config: steps must be a whole number, not 'many'"),
        ({"width": 0}, "the config: width must be from 1 on"),
        ({"dtype": "float8"}, "unknown value of dtype 'float8'"),
        ({"gradient_checkpointing": "yes"}, "gradient_checkpointing must be of type bool"),
    ],
)
def test_configs_with_something_wrong(change, message):
    with pytest.raises(InputError) as caught:
        TrainConfig.of(settings("out", **change))
    assert message in str(caught.value)


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "prodigyopt", None)
    with pytest.raises(InputError, match=r"training needs prodigyopt .*flowedit-grag\[train\]"):
        ProdigyConfig().build([torch.nn.Parameter(torch.zeros(1))])


def test_files_that_are_no_configs(tmp_path):
    path = tmp_path / "config.yaml"
    with pytest.raises(InputError, match="there is no config"):
        read(path)
    for text in ("a: [", "- 1\n- 2\n", "just text", "\0"):
        path.write_text(text)
        with pytest.raises(InputError):
            read(path)
    path.write_text("steps: 3\n")
    with pytest.raises(InputError):
        read(path)
    OmegaConf.save(OmegaConf.create(settings(tmp_path / "run")), path)
    assert read(path, {"adapter": {"rank": 8}, "seed": 5}).adapter == LoraMoeConfig(experts=1, rank=8)
    with pytest.raises(InputError):
        command(path, ["sead=5"])
    assert read(path, {"optimizer": "prodigy"}).optimizer == ProdigyConfig()
    with pytest.raises(InputError):
        read(path, {"data": "folder"})
    path.write_text("optimizer: adamw\ndata:\n")
    with pytest.raises(InputError, match="data must be made of 'key: value' lines, not None"):
        read(path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["icedit/train_lora", "icedit/train_lora_moe"])
def test_other_kinds_than_the_files_can_be_chosen_on_the_command_line(name):
    changes = {"optimizer": {"name": "adamw", "lr": 1e-3}, "data": {"source": "folder", "path": "pairs"}}
    config = read(CONFIGS / f"{name}.yaml", changes)
    assert (config.optimizer.lr, config.data.path) == (1e-3, "pairs")
    assert read(CONFIGS / f"{name}.yaml", {"optimizer": {"name": "prodigy", "lr": 2.0}}).optimizer.safeguard_warmup


def test_runs_that_cannot_begin_leave_nothing(tmp_path):
    for change, message in (
        ({"samples": {"pairs": 12}}, "keeps 12 of them"),
        ({"model": "flux-fil"}, "unknown model"),
        ({"model": str(GOLDEN / "tiny_flux")}, "needs a Fill model"),
        ({"adapter": {"plain": "nothing", "experts": 1, "mixtures": ""}}, "no layer of the model"),
    ):
        with pytest.raises(InputError, match=message):
            run(tmp_path / "run", **change)
        assert not (tmp_path / "run").exists()
