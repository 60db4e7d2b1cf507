"""Model folders: what is wrong in them is said in a sentence, only safetensors are read, no code of theirs runs."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from flowedit_grag import load
from flowedit_grag.backbone.model_info import model_info
from flowedit_grag.errors import InputError

TINY = GOLDEN / "tiny_flux"
DEEP = "[" * 100_000


@pytest.fixture
def model(tmp_path):
    shutil.copytree(TINY, tmp_path / "model")
    for path in (tmp_path / "model").rglob("*"):
        path.chmod(0o755)
    return tmp_path / "model"


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def refused(model, said):
    with pytest.raises(InputError, match=said) as error:
        load(model)
    assert "\n" not in str(error.value)
    assert "licence" not in str(error.value)


@pytest.mark.parametrize("network", ["transformer", "vae", "text_encoder", "text_encoder_2"])
def test_pickles_are_not_read(model, network):
    weights = next((model / network).glob("*.safetensors"))
    name = "diffusion_pytorch_model.bin" if weights.name.startswith("diff") else "pytorch_model.bin"
    torch.save(load_file(weights), weights.with_name(name))
    weights.unlink()
    refused(model, "safetensors")


@pytest.mark.parametrize("network", ["transformer", "vae", "text_encoder", "text_encoder_2"])
def test_networks_are_whole(model, network):
    """The libraries make up weights that are missing, at random or not at all."""
    path = next((model / network).glob("*.safetensors"))
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    extra = {"nowhere.weight": torch.ones(1)}
    save_file({**tensors, **extra}, path, metadata=metadata)
    with pytest.warns(
        UserWarning, match=f"1 weights of the {network} of .* have no place in it, such as nowhere.weight"
    ):
        load(model)
    name = next(key for key in tensors if key.endswith("norm1.weight") or "layer_norm.weight" in key or "norm_k" in key)
    del tensors[name]
    save_file(tensors, path, metadata=metadata)
    refused(model, f"the {network} of .* is not whole: 1 weights are missing .*download it again")


@pytest.mark.parametrize(
    ("name", "part"),
    [("tokenizer", ["transformers", "RagRetriever"]), ("vae", ["diffusers", "UNet2DModel"]), ("scheduler", None),
     ("transformer", ["diffusers", "SD3Transformer2DModel"]), ("text_encoder", ["transformers", "Trainer"])],
)  # fmt: skip
def test_parts_of_another_class(model, name, part):
    change(model / "model_index.json", **{name: part})
    refused(model, f"the {name} of .* is of the class {part and part[1]}, and no")


@pytest.mark.parametrize(
    ("content", "said"),
    [("[]", "model_index.json is a list"), ("5", "is a int"), (DEEP, "cannot be loaded"), ("{", "cannot be loaded"),
     ("{}", "is a None; the models that can be loaded are"),
     ('{"_class_name": ["pipeline", "FluxPipeline"]}', "is a .'pip")],
)  # fmt: skip
def test_an_index_that_is_none(model, content, said):
    (model / "model_index.json").write_text(content)
    refused(model, said)


@pytest.mark.parametrize(
    "part",
    [["some_module", "Class"], ["os", "system"], ["diffusers", 5], ["diffusers"], [5, 5], [None, "FluxPipeline"]],
)
def test_code_of_a_model_is_not_imported(model, part):
    change(model / "model_index.json", transformer=part)
    for place in (model, model / "transformer"):
        (place / "some_module.py").write_text(f"open({str(model / 'ran')!r}, 'w')\nclass Class: pass")
    refused(model, "says that its transformer is .*; only parts of diffusers and transformers are loaded")
    assert not (model / "ran").exists()
    assert "some_module" not in sys.modules


@pytest.mark.parametrize("file", ["transformer/config.json", "vae/config.json", "text_encoder/config.json"])
@pytest.mark.parametrize("content", ["[]", DEEP, "{", "null", '"x"', '{"num_layers": "four", "latent_channels": []}'])
def test_configs_that_are_none(model, file, content):
    (model / file).write_text(content)
    refused(model, "cannot be loaded")
    if file.startswith("transformer"):
        with pytest.raises(InputError, match="cannot be loaded"):
            model_info(str(model))


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("[]", "is not a valid model profile"),
        (DEEP, "is not a valid model profile"),
        ('{"vital_layers": "x.json"}', "vital_layers must be a list, not 'x.json'"),
        ('{"vital_layers": [1.5]}', "vital_layers must be a whole number"),
        ('{"vital_layers": {"a": 1}}', "vital_layers must be a list"),
        ('{"pixels": "many"}', "pixels must be a whole number, not 'many'"),
        ('{"words": [1]}', "words must be of type str, not 1"),
        ('{"prompts": "one"}', "prompts must be a list"),
        ('{"roundtrip_psnr": NaN}', "roundtrip_psnr must be finite"),
        ('{"about": 5}', "about must be of type str"),
        ('{"settings": [1]}', "settings must have options by the name of a method"),
        ('{"settings": {"flowedit": 1}}', "settings must have options by the name of a method"),
        ('{"about": null}', "about must be of type str"),
    ],
)
def test_profiles_of_wrong_types(model, profile, said):
    (model / "flowedit_grag.json").write_text(profile)
    refused(
        model,
        rf"flowedit_grag\.json is not a valid model profile: .*{said.removeprefix('is not a valid model profile')}",
    )


def test_tokenizers_without_a_length(model, tiny):
    """T5's is then read as far as the pipeline reads it; CLIP's cannot be used."""
    path = model / "tokenizer_2" / "tokenizer_config.json"
    most = json.loads(path.read_text()).pop("model_max_length", None)
    change(path, model_max_length=10**30)
    assert load(model).condition("a b").embeds.shape[1] == 512
    assert most is None or tiny.condition("a b").embeds.shape[1] == most
    change(model / "tokenizer" / "tokenizer_config.json", model_max_length=10**30)
    refused(model, "the tokenizer of .* does not say its length; add model_max_length")


def test_tokenizers_that_do_not_fit(model):
    path = model / "tokenizer_2" / "tokenizer_config.json"
    whole = path.read_text()
    change(path, pad_token=None)
    refused(model, "cannot be loaded .*padding token")
    path.write_text(whole)
    config = model / "text_encoder_2" / "config.json"
    weights = next((model / "text_encoder_2").glob("*.safetensors"))
    tensors = {key: tensor[:1].clone() if "shared" in key else tensor for key, tensor in load_file(weights).items()}
    change(config, vocab_size=1)
    save_file(tensors, weights, metadata={"format": "pt"})
    refused(model, "has more words than its text encoder")


@pytest.mark.parametrize("rope", [[4, 6], [4, 6, 7], [16], [20, -2, -2], "4", [4.5, 6, 5.5]])
def test_configs_that_weights_do_not_show_to_be_wrong(model, rope):
    path = model / "transformer" / "config.json"
    whole = path.read_text()
    change(path, axes_dims_rope=rope)
    refused(model, "axes_dims_rope|cannot be loaded")
    path.write_text(whole)
    change(model / "text_encoder" / "config.json", num_attention_heads=-1)
    refused(model, "cannot be loaded")


FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "use_dynamic_shifting": True}


@pytest.mark.parametrize("name", ["UniPCMultistepScheduler", "DPMSolverMultistepScheduler"])
def test_flow_schedulers_of_other_families_work_as_in_diffusers(model, name):
    change(model / "model_index.json", scheduler=["diffusers", name])
    (model / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": name, **FLOW}))
    flow, latents = load(model), torch.zeros(1, 16, 8, 8)
    flow.pipeline(
        prompt_embeds=torch.zeros(1, 4, 32), pooled_prompt_embeds=torch.zeros(1, 32), height=64, width=64,
        num_inference_steps=5, output_type="latent",
    )  # fmt: skip
    np.testing.assert_allclose(flow.schedule(5, latents), flow.pipeline.scheduler.sigmas.numpy())


@pytest.mark.parametrize(
    "name",
    ["UniPCMultistepScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler", 
     "FlowMatchHeunDiscreteScheduler", "DDIMScheduler", "EulerDiscreteScheduler"],
)  # fmt: skip
def test_other_schedulers_are_refused_by_name(model, name):
    change(model / "model_index.json", scheduler=["diffusers", name])
    (model / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": name}))
    flow = load(model)
    with pytest.raises(InputError, match=f"{name}, is not one of a rectified flow .*; use FlowMatchEuler"):
        flow.schedule(5, torch.zeros(1, 16, 8, 8))


def test_a_flow_scheduler_without_its_lengths_has_the_pipeline_s(model, tiny):
    path = model / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}))
    latents = torch.zeros(1, 16, 32, 32)
    assert load(model).schedule(5, latents) == tiny.schedule(5, latents)


def test_missing_packages_of_a_model_are_named(model):
    change(model / "transformer" / "config.json", quantization_config={"quant_method": "torchao", "quant_type": {}})
    refused(model, r"torchao.*; pip install 'flowedit-grag\[quant\]'")
