"""LoRA files of other programs: loaded as they say, or refused by name. Those in ``cases`` are of the lab's size."""

import json
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from flowedit_grag import load
from flowedit_grag.backbone.lora import add_loras, read_loras, weighted
from flowedit_grag.errors import InputError
from flowedit_grag.lora_moe import read_adapter, read_lora

CASES = Path(__file__).parent / "cases"
TINY = GOLDEN / "tiny_flux"
WIDTH, RANK = 64, 4


def deltas(network, name="lora0"):
    """What is added to each layer's weights."""
    return {
        module: (layer.lora_B[name].weight @ layer.lora_A[name].weight * layer.scaling[name]).detach()
        for module, layer in network.named_modules()
        if name in getattr(layer, "lora_A", {})
    }


def loaded(folder, tensors, metadata=None, model=TINY, **loading):
    own = {key: tensor.clone() for key, tensor in tensors.items()}
    save_file(own, path := folder / "lora.safetensors", metadata=metadata)
    return load(model, lora=path, **loading)


def pair(into, out, rank=RANK):
    return torch.randn(rank, into), torch.randn(out, rank)


def same(found, expected):
    assert found.keys() == expected.keys()
    for module, delta in expected.items():
        torch.testing.assert_close(found[module], delta, msg=module)


@pytest.mark.parametrize("name", ["bias", "comfy_bfl", "noprefix", "peft_default"])
@pytest.mark.parametrize("way", ["lora", "adapter"])
def test_files_that_load(lab, name, way):
    flow = load("lab", **{way: CASES / f"{name}.safetensors"})
    found = deltas(flow.transformer, "lora0" if way == "lora" else "adapter")
    tensors = {key.replace(".default", ""): tensor for key, tensor in load_file(CASES / f"{name}.safetensors").items()}

    def delta(module):
        return tensors[f"{module}.lora_B.weight"] @ tensors[f"{module}.lora_A.weight"]

    if name == "comfy_bfl":
        qkv = delta("diffusion_model.double_blocks.0.img_attn.qkv").chunk(3)
        expected = {f"transformer_blocks.0.attn.to_{x}": rows for x, rows in zip("qkv", qkv, strict=True)}
        expected["single_transformer_blocks.0.proj_out"] = delta("diffusion_model.single_blocks.0.linear2")
    else:
        at = "" if name == "noprefix" else "transformer."
        modules = ("transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.attn.to_k")
        expected = {module: delta(at + module) for module in modules}
    same(found, expected)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("diffusers_nan", "has weights that are not finite"),
        ("dora_partial", "is a DoRA in some of its layers only"),
        ("kohya_dora", "is a DoRA in kohya's layout"),
        ("loha", "is a LoHa, which cannot be loaded"),
        ("lokr", "is a LoKr, which cannot be loaded"),
        ("sdxl", "is a LoRA of another model: .*down_blocks"),
    ],
)
def test_files_that_are_refused_by_name_either_way(name, said):
    for way in ("lora", "adapter"):
        with pytest.raises(InputError, match=rf"{name}\.safetensors {said}") as error:
            load("lab", **{way: CASES / f"{name}.safetensors"})
        assert "licence" not in str(error.value)
        assert "lora=" not in str(error.value)  # which would refuse it as well
        assert "\n" not in str(error.value)


def test_kohya_s_layout_with_alphas_and_every_kind_of_layer(tmp_path):
    shapes = {
        "single_blocks_1_linear1": (64, 7 * WIDTH), "double_blocks_0_txt_attn_qkv": (64, 3 * WIDTH),
        "double_blocks_3_img_mlp_2": (256, 64), "img_in": (64, 64), "final_layer_linear": (64, 64),
        "final_layer_adaLN_modulation_1": (64, 128), "guidance_in_in_layer": (256, 64),
    }  # fmt: skip
    tensors, expected = {}, {}
    for name, shape in shapes.items():
        a, b = pair(*shape)
        tensors[f"lora_unet_{name}.lora_down.weight"], tensors[f"lora_unet_{name}.lora_up.weight"] = a, b
        tensors[f"lora_unet_{name}.alpha"] = torch.tensor(RANK / 2)
        expected[name] = b @ a / 2
    q, k, v, mlp = expected.pop("single_blocks_1_linear1").split([WIDTH] * 3 + [4 * WIDTH])
    single = "single_transformer_blocks.1"
    at = {f"{single}.attn.to_q": q, f"{single}.attn.to_k": k, f"{single}.attn.to_v": v, f"{single}.proj_mlp": mlp}
    for name, rows in zip("qkv", expected.pop("double_blocks_0_txt_attn_qkv").chunk(3), strict=True):
        at[f"transformer_blocks.0.attn.add_{name}_proj"] = rows
    at["transformer_blocks.3.ff.net.2"] = expected.pop("double_blocks_3_img_mlp_2")
    at["x_embedder"], at["proj_out"] = expected.pop("img_in"), expected.pop("final_layer_linear")
    at["norm_out.linear"] = expected.pop("final_layer_adaLN_modulation_1").roll(
        WIDTH, 0
    )  # shift, scale -> scale, shift
    at["time_text_embed.guidance_embedder.linear_1"] = expected.pop("guidance_in_in_layer")
    assert not expected
    same(deltas(loaded(tmp_path, tensors).transformer), at)


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "base_model.model.", "model.diffusion_model."])
def test_bfl_names_with_any_prefix(tmp_path, prefix):
    (a, b), name = pair(64, 7 * WIDTH), f"{prefix}single_blocks.5.linear1"
    found = deltas(loaded(tmp_path, {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}).transformer)
    rows = zip(
        ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), (b @ a).split([WIDTH] * 3 + [4 * WIDTH]), strict=True
    )
    same(found, {f"single_transformer_blocks.5.{layer}": delta for layer, delta in rows})


def test_xlabs_layout(tmp_path):
    (a, b), at = pair(64, 3 * WIDTH), "double_blocks.2.processor.qkv_lora1"
    found = deltas(loaded(tmp_path, {f"{at}.down.weight": a, f"{at}.up.weight": b}).transformer)
    torch.testing.assert_close(torch.cat(list(found.values())), b @ a)
    assert list(found) == [f"transformer_blocks.2.attn.to_{name}" for name in "qkv"]


def test_text_encoders_of_kohya_and_old_diffusers(tmp_path):
    a, b = pair(32, 32)
    for down, up in (
        ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down", ".lora_up"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.down", ".up"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down", ".up"),
    ):
        tensors = {f"{down}.weight": a, f"{down.rpartition('.')[0]}{up}.weight": b}
        flow = loaded(tmp_path, tensors)
        (found,) = deltas(flow.pipeline.text_encoder).values()
        torch.testing.assert_close(found, b @ a)
        with pytest.raises(InputError, match="for a text encoder too; give it as lora="):
            read_adapter(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"use_dora": True, "lora_alpha": 3},
        {"lora_bias": True, "lora_alpha": 6},
        {"use_rslora": True},
        {"alpha_pattern": {"single_transformer_blocks.0.attn.to_q": 16}, "rank_pattern": {"to_v": 2}},
    ],
)
def test_what_diffusers_writes_is_what_diffusers_loads(tmp_path, tiny, options):
    """Also biases, DoRA, and scales that differ between layers."""
    from diffusers import FluxPipeline
    from diffusers.loaders.lora_base import _pack_dict_with_prefix

    torch.manual_seed(1)
    made = load(TINY).transformer
    config = LoraConfig(r=RANK, target_modules=["to_q", "to_v", "proj_out"], init_lora_weights=False, **options)
    made.add_adapter(config, adapter_name="default")
    for name, parameter in made.named_parameters():
        if ".lora_" in name:
            parameter.data += 0.05 * torch.randn_like(parameter)
    layers = get_peft_model_state_dict(made)
    FluxPipeline.save_lora_weights(
        tmp_path, transformer_lora_layers=layers, transformer_lora_adapter_metadata=config.to_dict()
    )
    assert _pack_dict_with_prefix(layers, "transformer").keys() == load_file(next(tmp_path.iterdir())).keys()
    x, sigma = torch.randn(1, 16, 8, 8), torch.tensor([0.5])
    condition, guidance = tiny.condition("a b c"), torch.tensor([1.0])
    stock, ours = load(TINY), load(TINY, lora=tmp_path)
    stock.pipeline.load_lora_weights(tmp_path)
    before, expected, found = (flow.forward(x, sigma, condition, guidance) for flow in (tiny, stock, ours))
    assert (expected - before).abs().max() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_our_own_metadata_counts_in_a_lora_too(tmp_path):
    (a, b), at = pair(64, 64), "transformer.transformer_blocks.0.attn.to_q"
    noted = {"top_k": 1, "router": "published", "alpha_over_rank": 0.25}
    tensors = {f"{at}.lora_A.weight": a, f"{at}.lora_B.weight": b}
    (found,) = deltas(loaded(tmp_path, tensors, {"flowedit_grag": json.dumps(noted)}).transformer).values()
    torch.testing.assert_close(found, b @ a / 4)


A, B = pair(64, 64)
Q = "transformer.transformer_blocks.0.attn.to_q"
WHOLE = {f"{Q}.lora_A.weight": A, f"{Q}.lora_B.weight": B}
CLIP = "lora_te1_text_model_encoder_layers_0_self_attn_q_proj"


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({f"{Q}.lora_A.weight": A}, "is not a complete LoRA: of .*to_q, one half is missing"),
        ({**WHOLE, f"{Q}.lora_B.weight": B[:, :2]}, "goes down to rank 4 and up from rank 2"),
        ({**WHOLE, f"{Q}.lora_A.weight": A[0]}, "are no matrices"),
        ({**WHOLE, f"{Q}.alpha": torch.ones(2)}, "alpha is not one number"),
        ({**WHOLE, f"{Q}.lora_B.bias": torch.ones(3)}, "a bias or magnitude is not one number for each of 64"),
        ({**WHOLE, f"{Q}.diff": B}, "whole weights beside it"),
        ({**WHOLE, "transformer.transformer_blocks.0.attn.norm_q.weight": A[0]}, "is a control LoRA"),
        ({f"{Q}.lora_{x}.{n}.weight": A for x in "AB" for n in ("one", "two")}, "holds several adapters"),
        ({**WHOLE, f"{Q}.lora_down.weight": A}, "has two of one weight"),
        ({"unet.conv.weight": A}, "is not a LoRA of a FLUX transformer: it has 'unet.conv.weight'"),
        ({"blocks.0.q.lora_A.weight": A, "blocks.0.q.lora_B.weight": B}, "another model: 'blocks.0.q' is no layer"),
        ({"lora_te3_x.lora_down.weight": A, "lora_te3_x.lora_up.weight": B}, "another text encoder than CLIP"),
        ({"lora_unet_single_blocks_0_linear1.lora_down.weight": A,
          "lora_unet_single_blocks_0_linear1.lora_up.weight": B}, "has 64 rows, not 7 equal parts"),
        ({f"{CLIP}x.lora_down.weight": A, f"{CLIP}x.lora_up.weight": B}, "1 of its layers are not here"),
        ({"lora_unet_double_blocks_40_img_mlp_0.lora_down.weight": A,
          "lora_unet_double_blocks_40_img_mlp_0.lora_up.weight": B}, "of another model"),
        ({f"{Q}.lora_A.weight": A[:, :9].clone(), f"{Q}.lora_B.weight": B}, "another model: .* maps"),
        ({"lora_transformer_x_embedder.lora_down.weight": A, "lora_transformer_x_embedder.lora_up.weight": B,
          "lora_unet_img_in.lora_down.weight": A, "lora_unet_img_in.lora_up.weight": B}, "rows of its weights have no"),
        ({}, "is empty"),
    ],
)  # fmt: skip
def test_what_would_load_in_part_or_not_at_all_is_refused(tmp_path, tensors, said):
    with pytest.raises(InputError, match=said) as error:
        loaded(tmp_path, tensors)
    assert str(tmp_path / "lora.safetensors") in str(error.value)


@pytest.mark.parametrize(
    "said",
    ["[", "[" * 100_000, "null", '{"transformer.lora_alpha": "x"}', '{"transformer.lora_alpha": 1e999}',
     '{"transformer.lora_alpha": 4, "transformer.alpha_pattern": {"(a+)+$": 1}}',
     '{"transformer.lora_alpha": 4, "transformer.alpha_pattern": [1]}'],
)  # fmt: skip
def test_metadata_that_cannot_be_read(tmp_path, said):
    with pytest.raises(InputError, match="has metadata that cannot be read"):
        loaded(tmp_path, WHOLE, {"lora_adapter_metadata": said})


def test_alpha_is_said_once(tmp_path):
    with pytest.raises(InputError, match="says alpha twice"):
        loaded(
            tmp_path,
            {**WHOLE, f"{Q}.alpha": torch.tensor(4.0)},
            {"lora_adapter_metadata": '{"transformer.lora_alpha": 4}'},
        )


def test_a_lora_of_flux_dev_on_a_fill_model(tmp_path):
    """Its first layer knows the picture's channels only, which come first in a Fill model's."""
    (a, b), at = pair(64, 64), "transformer.x_embedder"
    flow = loaded(tmp_path, {f"{at}.lora_A.weight": a, f"{at}.lora_B.weight": b}, model=GOLDEN / "tiny_flux_fill")
    (found,) = deltas(flow.transformer).values()
    torch.testing.assert_close(found[:, :64], b @ a)
    assert not found[:, 64:].any()


def test_weights(tmp_path, tiny):
    save_file(WHOLE, path := tmp_path / "lora.safetensors")
    flow = load(TINY, lora=[(path, 0.5), f"{path}:-2", path])
    layer = flow.transformer.transformer_blocks[0].attn.to_q
    assert layer.scaling == {"lora0": 0.5, "lora1": -2.0, "lora2": 1.0}
    assert flow.loading["lora"] == [(path, 0.5), f"{path}:-2", path]
    x, condition = torch.randn(1, 16, 8, 8), tiny.condition("a b c")
    twice = load(TINY, lora=(path, -0.5))
    v = [made.forward(x, torch.tensor([0.5]), condition, torch.tensor([1.0])) for made in (flow, twice)]
    torch.testing.assert_close(*v)


def test_ways_to_write_weights(tmp_path):
    (odd := tmp_path / "odd:0.5").touch()
    assert weighted(None) == []
    assert weighted("a") == weighted(["a"]) == weighted([["a", 1]]) == [("a", 1.0)]
    assert weighted("owner/name:0.8") == weighted(("owner/name", 0.8)) == [("owner/name", 0.8)]
    assert weighted(r"C:\loras\a.safetensors") == [(r"C:\loras\a.safetensors", 1.0)]
    assert weighted(r"C:\loras\a.safetensors:.5") == [(r"C:\loras\a.safetensors", 0.5)]
    assert weighted(str(odd)) == [(str(odd), 1.0)]
    for wrong in (5, [5], ("a", "b", 3), [("a", "much")], ":0.5", [("a", float("nan"))], "a:inf", [("", 1)], {"a": 1}):
        with pytest.raises(InputError, match=r"LoRA|there is no adapter"):
            read_loras(wrong)


def test_files_are_read_before_a_model_is_loaded(monkeypatch):
    from flowedit_grag.backbone import load as loading

    monkeypatch.setattr(loading, "pipeline_in", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(InputError, match="not finite"):
        load("lab", lora=CASES / "diffusers_nan.safetensors")


def test_a_mixture_and_a_lora_say_once_where_they_belong(tmp_path):
    """Each option takes what the other one says it does."""
    assert read_adapter("lab-moe").modules
    with pytest.raises(InputError, match="give it as adapter="):
        read_lora("lab-moe")
    assert read_lora("lab-lora")["transformer"].modules.keys() == read_adapter("lab-lora").modules.keys()


def test_refusal_leaves_a_pipeline_as_it_was(tmp_path):
    save_file(
        {key.replace("blocks.0", "blocks.9"): tensor for key, tensor in WHOLE.items()}, tmp_path / "x.safetensors"
    )
    flow = load(TINY)
    with pytest.raises(InputError, match="another model"):
        add_loras(flow.pipeline, read_loras(tmp_path / "x.safetensors"))
    assert not any("lora" in name for name, _ in flow.transformer.named_parameters())
