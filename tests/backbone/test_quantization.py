"""Names of quantisations: what reaches diffusers, what runs here, and what is refused."""

import importlib.metadata
import json
import re
import sys
import tomllib
from types import ModuleType

import pytest
import torch
from conftest import GOLDEN, ROOT

from flowedit_grag import Editor, load
from flowedit_grag.backbone.quantization import loading_config, of_component
from flowedit_grag.errors import EXTRAS, InputError, needed

TINY = GOLDEN / "tiny_flux"
CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def bitsandbytes(monkeypatch):
    """A package of this name, which diffusers asks for its version."""
    version = importlib.metadata.version
    monkeypatch.setitem(sys.modules, "bitsandbytes", ModuleType("bitsandbytes"))
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0.48.0" if name == "bitsandbytes" else version(name)
    )


@pytest.mark.parametrize("name", ["nf4", "bitsandbytes_4bit"])
def test_nf4_reaches_both_libraries(bitsandbytes, name):
    config = loading_config(name, torch.bfloat16, CUDA, gguf=False)
    ours, theirs = (
        of_component(config, name, library)
        for name, library in (("transformer", "diffusers"), ("text_encoder_2", "transformers"))
    )
    for found, library in ((ours, "diffusers"), (theirs, "transformers")):
        assert type(found).__name__ == "BitsAndBytesConfig"
        assert type(found).__module__.startswith(library)
        assert found.load_in_4bit
        assert found.bnb_4bit_quant_type == "nf4"
        assert found.bnb_4bit_compute_dtype == torch.bfloat16
    assert of_component(config, "vae", "diffusers") is None


@pytest.mark.parametrize("name", ["int8", "bitsandbytes_8bit"])
def test_int8_reaches_diffusers(bitsandbytes, name):
    found = of_component(loading_config(name, torch.bfloat16, CUDA, gguf=False), "transformer", "diffusers")
    assert found.load_in_8bit
    assert not found.load_in_4bit


def test_the_config_reaches_each_network(bitsandbytes, monkeypatch):
    from diffusers import AutoencoderKL, FluxTransformer2DModel
    from transformers import CLIPTextModel, T5EncoderModel

    from flowedit_grag.backbone.model_folder import NETWORKS, _network

    seen = {}
    for kind in (AutoencoderKL, FluxTransformer2DModel, CLIPTextModel, T5EncoderModel):

        def stopped(place, **given):
            seen[given["subfolder"]] = given
            raise InputError("seen")

        monkeypatch.setattr(kind, "from_pretrained", stopped)
    config = loading_config("nf4", torch.float16, CUDA, gguf=False)
    index = json.loads((TINY / "model_index.json").read_text())
    for name in NETWORKS:
        with pytest.raises(InputError, match="seen"):
            _network(str(TINY), name, *index[name], {"revision": "x"}, torch.float16, config)
    assert all(given["use_safetensors"] and given["revision"] == "x" for given in seen.values())
    assert all(given["dtype"] == torch.float16 for given in seen.values())
    quantised = {name for name, given in seen.items() if "quantization_config" in given}
    assert quantised == {"transformer", "text_encoder_2"}


def test_fp8_keeps_a_byte_a_weight_and_computes_in_the_dtype(tiny):
    flow, x, condition = (
        load(TINY, quantization="fp8", dtype="float32"),
        torch.randn(1, 16, 8, 8),
        tiny.condition("a b"),
    )
    linear = flow.transformer.transformer_blocks[0].attn.to_q
    assert linear.weight.dtype == torch.float8_e4m3fn
    assert flow.transformer.dtype == torch.float32
    exact, found = (made.forward(x, torch.tensor([0.5]), condition, torch.tensor([1.0])) for made in (tiny, flow))
    error = (found - exact).norm() / exact.norm()
    assert 0 < error < 0.2
    assert linear.weight.dtype == torch.float8_e4m3fn
    stored = tiny.transformer.transformer_blocks[0].attn.to_q.weight.to(torch.float8_e4m3fn)
    assert torch.equal(linear.weight.view(torch.uint8), stored.view(torch.uint8))


def test_fp8_under_a_lora_and_an_edit():
    """The LoRA's own weights stay as they are."""
    flow = load("lab", quantization="fp8")
    editor = Editor("stableflow+", flow, steps=2, grag=1.05)
    assert flow.loading["quantization"] == "fp8"
    assert editor.generate(source_prompt="a red circle", target_prompt="a blue circle").settings["dtype"] == "float32"
    adapted = load(GOLDEN / "tiny_flux_fill", quantization="fp8", lora=GOLDEN / "normal_lora").transformer
    kinds = {
        layer.lora_A["lora0"].weight.dtype for layer in adapted.modules() if "lora0" in getattr(layer, "lora_A", {})
    }
    assert kinds == {torch.float32}


@pytest.mark.parametrize(
    ("given", "device", "said"),
    [
        ("nf4", CPU, "quantization='nf4' needs a CUDA GPU; here use a GGUF file, 'fp8'"),
        ("bitsandbytes_8bit", CPU, "needs a CUDA GPU"),
        ("int8", torch.device("mps"), "needs a CUDA GPU"),
        ("fp8", torch.device("mps"), "does not run on mps"),
        ("nf5", CUDA, "unknown quantization 'nf5'; did you mean 'nf4'"),
        ("gguf", CPU, "give that file, as transformer="),
        (5, CUDA, "quantization must be text or a mapping, not 5"),
        ({"quant_backend": "nowhere", "quant_kwargs": {"a": 1}}, CUDA, "does not accept this quantization"),
        ({"x": 1}, CUDA, "does not accept this quantization"),
    ],
)
def test_what_is_refused(given, device, said):
    with pytest.raises(InputError, match=said):
        loading_config(given, torch.bfloat16, device, gguf=False)


def test_a_gguf_file_is_quantised_as_it_is():
    assert loading_config("gguf", torch.bfloat16, CPU, gguf=True) is None
    with pytest.raises(InputError, match="a GGUF file is quantised as it is"):
        loading_config("fp8", torch.bfloat16, CPU, gguf=True)


@pytest.mark.parametrize(
    ("given", "package"),
    [("nf4", "bitsandbytes"), ("int8", "bitsandbytes"),
     ({"quant_backend": "torchao", "quant_kwargs": {"quant_type": "int8wo"}}, "torchao")],
)  # fmt: skip
def test_a_missing_package_names_the_extra(given, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"needs {package} .*; pip install 'flowedit-grag\[quant\]'"):
        loading_config(given, torch.bfloat16, CUDA, gguf=False)


@pytest.mark.parametrize(("package", "extra"), EXTRAS.items())
def test_every_package_names_an_extra_that_has_it(package, extra, monkeypatch):
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    assert any(re.split(r"\W", one)[0] == package for one in listed)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"this needs {package} .*pip install 'flowedit-grag\[{extra}\]'"):
        needed(package, "this")
