"""Transformers in one file, of BFL's layout and GGUF: the same pictures as the model's own folder gives."""

import numpy as np
import pytest
import torch
from bfl import bfl
from conftest import GOLDEN
from safetensors.torch import save_file

from flowedit_grag import Editor, load
from flowedit_grag.backbone import single_file
from flowedit_grag.errors import InputError

TINY = GOLDEN / "tiny_flux"


def picture(flow, recolor):
    prompts = {"source_prompt": recolor.source_prompt, "target_prompt": recolor.target_prompt}
    return np.asarray(Editor("flowedit", flow, steps=4, n_max=3).edit(recolor.images()[0], **prompts).image, float)


@pytest.fixture(scope="module")
def tiny():
    """One that no other test has changed."""
    return load(TINY)


@pytest.fixture(scope="module")
def expected(lab, recolor):
    return picture(lab, recolor)


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_bfl_s_layout_gives_the_same_picture(tmp_path, lab, recolor, expected, prefix):
    weights = {f"{prefix}{name}": weight for name, weight in bfl(lab.transformer).items()}
    save_file(weights, path := tmp_path / "flux1.safetensors")
    flow = load("lab", transformer=path)
    assert np.array_equal(picture(flow, recolor), expected)
    assert flow.loading == {"transformer": path}


def test_diffusers_names_in_one_file_and_a_whole_checkpoint(tmp_path, tiny):
    save_file(tiny.transformer.state_dict(), path := tmp_path / "own.sft")
    assert same(load(TINY, transformer=path), tiny)
    whole = {f"model.diffusion_model.{name}": weight for name, weight in bfl(tiny.transformer).items()}
    save_file({**whole, "vae.decoder.conv_in.weight": torch.ones(1)}, path := tmp_path / "whole.safetensors")
    with pytest.warns(UserWarning, match="has other networks too; only its transformer is taken"):
        flow = load(TINY, transformer=path)
    assert same(flow, tiny)


def same(flow, other):
    own, others = flow.transformer.state_dict(), other.transformer.state_dict()
    return own.keys() == others.keys() and all(torch.equal(own[name], others[name]) for name in own)


def gguf_file(path, weights, kind):
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "flux")
    for name, weight in weights.items():
        fits = weight.ndim == 2 and weight.shape[1] % 32 == 0
        stored = getattr(gguf.GGMLQuantizationType, kind if fits else "F32")
        data = gguf.quants.quantize(weight.float().numpy(), stored)
        writer.add_tensor(name, data, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(("kind", "at_most"), [("F32", 0.0), ("Q8_0", 2.0)])
def test_gguf_gives_a_close_picture(tmp_path, lab, recolor, expected, kind, at_most):
    """Grey levels, on average."""
    path = gguf_file(tmp_path / "flux1.gguf", bfl(lab.transformer), kind)
    flow = load("lab", transformer=path, quantization="gguf")
    assert np.abs(picture(flow, recolor) - expected).mean() <= at_most
    layer = flow.transformer.single_transformer_blocks[0].attn.to_q
    assert (layer.weight.dtype == torch.uint8) == (kind == "Q8_0")
    if kind == "Q8_0":  # quantised, and so not the same, and adapters act on it
        assert not np.array_equal(picture(flow, recolor), expected)
        at = "transformer_blocks.0.attn.to_q"
        lora = {f"{at}.lora_A.weight": torch.randn(2, 192), f"{at}.lora_B.weight": torch.randn(192, 2)}
        save_file(lora, tmp_path / "lora.safetensors")
        adapted = load("lab", transformer=path, lora=tmp_path / "lora.safetensors")
        assert np.abs(picture(adapted, recolor) - expected).mean() > 1


def test_files_of_another_model_and_damaged_ones(tmp_path, tiny, lab):
    weights = bfl(tiny.transformer)
    place = tmp_path / "x.safetensors"

    def refused(change, said, base=TINY):
        save_file({name: weight.clone() for name, weight in change.items()}, place)
        with pytest.raises(InputError, match=said) as error:
            load(base, transformer=place)
        assert "licence" not in str(error.value)

    refused(weights, "lacks .* weights, such as .*; give the model", "lab")
    some = dict(weights)
    del some["double_blocks.1.img_attn.qkv.bias"]
    refused(some, "is not a whole FLUX.1 transformer: 'double_blocks.1.img_attn.qkv.bias' is missing")
    refused(
        {**weights, "double_blocks.0.img_attn.qkv.scale_weight": torch.ones(1)}, "not a FLUX.1 transformer's, such as"
    )
    refused({"down_blocks.0.weight": torch.ones(1)}, "is not a FLUX.1 transformer: it has weights of 'down_blocks'")
    refused({**weights, "img_in.weight": torch.ones(64, 384)}, r"x_embedder.weight is \[64, 384\], not \[64, 64\]")
    refused({**tiny.transformer.state_dict(), "proj_out.x": torch.ones(1)}, "adds 1 weights, such as proj_out.x")
    place.write_bytes(place.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be loaded"):
        load(TINY, transformer=place)
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(InputError, match="cannot be loaded"):
        load(TINY, transformer=tmp_path / "x.gguf")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"model": "flux1-dev.safetensors"},
            "is one file; name the model that it belongs to, and give it as transformer=",
        ),
        ({"transformer": "flux1-dev.ckpt"}, "is no .safetensors, .sft or .gguf file"),
        ({"transformer": "nowhere.gguf"}, "there is no file 'nowhere.gguf'"),
        ({"transformer": 5}, "transformer must be a file, not 5"),
    ],
)
def test_what_is_no_such_file(given, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flux1-dev.safetensors").touch()
    with pytest.raises(InputError, match=said):
        load(**{"model": TINY, **given})


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    (tmp_path / "x.gguf").touch()
    with pytest.raises(InputError, match=r"a GGUF file needs gguf .*; pip install 'flowedit-grag\[quant\]'"):
        single_file.check_single_file(tmp_path / "x.gguf")
