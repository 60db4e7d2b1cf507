"""LoRA-MoE: the published layer and forward pass, files, scales, training, and refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from diffusers import FluxTransformer2DModel
from peft import LoraConfig
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.adapters import Experts
from benchmarks.replay import FORWARD
from benchmarks.replay import relative_error as error
from flowedit_grag import Editor
from flowedit_grag.errors import InputError
from flowedit_grag.lora_moe import (
    LoraMoeConfig,
    load_adapter,
    merge_plain,
    recorded_usage,
    save_adapter,
)
from flowedit_grag.lora_moe.config import MIXTURES
from flowedit_grag.lora_moe.layer import gate

MOE, PLAIN = GOLDEN / "moe_lora", GOLDEN / "normal_lora"


def fill():
    return FluxTransformer2DModel.from_pretrained(GOLDEN / "tiny_flux_fill" / "transformer").eval()


@pytest.fixture(scope="module")
def recorded():
    return load_file(GOLDEN / "moe_forward.safetensors")


@torch.no_grad()
def run(transformer, recorded, dtype=torch.float32):
    call = {name: recorded[name].to(dtype) for name in FORWARD}
    return transformer(**call, return_dict=False)[0].float()


def test_scale_acts_on_plain_and_expert_parts(recorded):
    transformer = fill()
    load_adapter(transformer, MOE, scale=0.0)
    assert torch.equal(run(transformer, recorded), run(fill(), recorded))
    transformer.set_adapters(["adapter"], [0.5])
    half = run(transformer, recorded)
    by_hand = fill()
    load_adapter(by_hand, MOE)
    for name, parameter in by_hand.named_parameters():
        if ".lora_B." in name:
            parameter.data *= 0.5
    assert error(half, run(by_hand, recorded)) <= 1e-6


@pytest.mark.parametrize("source", [MOE, PLAIN])
def test_files_round_trip(tmp_path, recorded, source):
    transformer = fill()
    load_adapter(transformer, source)
    saved = save_adapter(transformer, tmp_path)
    before, after = load_file(next(source.glob("*.safetensors"))), load_file(saved)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    again = fill()
    load_adapter(again, saved)
    assert torch.equal(run(transformer, recorded), run(again, recorded))


def test_saving_writes_one_file_that_others_can_read(tmp_path, monkeypatch):
    """safetensors' own way to a file leaves a second one when it is killed, and lets nobody else read the first."""
    load_adapter(transformer := fill(), MOE)
    seen, write = [], Path.write_bytes

    def watched(path, content):
        write(path, content)
        seen.extend(tmp_path.iterdir())

    monkeypatch.setattr(Path, "write_bytes", watched)
    saved = save_adapter(transformer, tmp_path)
    assert [path.suffix for path in seen] == [saved.suffix]
    assert seen[0] != saved
    (other := tmp_path / "other").touch()
    assert saved.stat().st_mode == other.stat().st_mode


def test_plain_parts_merge_and_mixtures_stay(recorded, tmp_path):
    transformer = fill()
    load_adapter(transformer, MOE)
    expected = run(transformer, recorded)
    assert merge_plain(transformer) > 0
    assert error(run(transformer, recorded), expected) <= 1e-5
    left = {name.split(".lora_")[0] for name, _ in transformer.named_parameters() if ".lora_" in name}
    assert all(name.endswith(("ff.net.2", "proj_out")) for name in left)
    with pytest.raises(InputError, match="merged into the model; save the adapter before"):
        save_adapter(transformer, tmp_path)
    assert not list(tmp_path.iterdir())
    plain = fill()
    load_adapter(plain, PLAIN)
    expected = run(plain, recorded)
    merge_plain(plain)
    assert error(run(plain, recorded), expected) <= 1e-5
    assert not any(".lora_" in name or "base_layer" in name for name, _ in plain.named_parameters())


def test_merging_leaves_other_adapters_as_they_were(recorded):
    transformer = fill()
    load_adapter(transformer, PLAIN, "first")
    load_adapter(transformer, PLAIN, "second", scale=0.5)
    expected = run(transformer, recorded)
    merge_plain(transformer, "second")
    assert error(run(transformer, recorded), expected) <= 1e-5
    load_adapter(transformer, PLAIN, "second", scale=0.0)  # the name is free again
    assert error(run(transformer, recorded), expected) <= 1e-5


def test_several_adapters(recorded):
    transformer = fill()
    load_adapter(transformer, PLAIN, "plain")
    load_adapter(transformer, MOE, "moe")
    assert error(run(transformer, recorded), recorded["v_lora"]) <= 1e-5
    transformer.set_adapters(["plain", "moe"], [1.0, 1.0])
    both = run(transformer, recorded)
    transformer.set_adapters(["plain"], [1.0])
    alone = fill()
    load_adapter(alone, PLAIN)
    assert torch.equal(run(transformer, recorded), run(alone, recorded))
    assert error(both, recorded["v_lora"]) > 1e-3


def test_bfloat16(recorded):
    transformer = fill().to(torch.bfloat16)
    rounding = error(run(transformer, recorded, torch.bfloat16), recorded["v_base"])
    load_adapter(transformer, MOE)
    found = error(run(transformer, recorded, torch.bfloat16), recorded["v_lora"])
    assert found < 2 * rounding  # tokens between two experts may go to the other one
    assert found < error(recorded["v_base"], recorded["v_lora"]) / 2


@pytest.mark.parametrize(("router", "learns"), [("published", False), ("softmax_then_topk", True)])
def test_only_one_router_learns(router, learns):
    torch.manual_seed(0)
    transformer = fill()
    transformer.requires_grad_(False)
    transformer.add_adapter(LoraMoeConfig(rank=4, alpha=4, router=router).peft(), adapter_name="adapter")
    for name, parameter in transformer.named_parameters():
        if ".lora_B." in name:
            nn.init.normal_(parameter, std=0.05)
    transformer.enable_gradient_checkpointing()
    transformer.train()
    recorded = load_file(GOLDEN / "moe_forward.safetensors")
    call = {name: recorded[name] for name in FORWARD}
    transformer(**call, return_dict=False)[0].pow(2).mean().backward()
    grads = {name: parameter.grad for name, parameter in transformer.named_parameters() if parameter.requires_grad}
    assert all(grad is not None for grad in grads.values())
    routers = [grad.abs().max() > 0 for name, grad in grads.items() if "lora_route" in name]
    assert len(routers) == 10
    assert any(routers) == learns
    assert sum(grad.abs().max() > 0 for name, grad in grads.items() if ".lora_A." in name) > 0


def test_gate_of_several():
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0]])
    published = gate(logits, 2, "published")
    assert published.sum() == pytest.approx(1.0)
    assert published[0, [1, 3]].tolist() == [0.0, 0.0]
    kept = gate(logits, 2, "softmax_then_topk")
    assert kept[0, 0] == pytest.approx(logits.softmax(-1)[0, 0])
    assert kept.sum() < 1


def test_usage_is_counted_and_gone_after(recorded):
    transformer = fill()
    load_adapter(transformer, MOE)
    with recorded_usage(transformer) as usage:
        run(transformer, recorded)
    assert len(usage) == 10
    rows = recorded["hidden_states"].shape[0] * recorded["hidden_states"].shape[1]
    assert usage["transformer_blocks.0.ff.net.2"].sum() == rows
    before = usage["transformer_blocks.0.ff.net.2"].clone()
    run(transformer, recorded)
    assert torch.equal(usage["transformer_blocks.0.ff.net.2"], before)


def broken(folder, change):
    tensors = load_file(next(MOE.glob("*.safetensors")))
    change(tensors)
    save_file(tensors, folder / "broken.safetensors")
    return folder / "broken.safetensors"


FIRST = "transformer.single_transformer_blocks.0.proj_out"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.clear(), "empty"),
        (lambda t: t.update({"unet.conv.weight": torch.zeros(1)}), "not a LoRA"),
        (lambda t: t.pop(f"{FIRST}.lora_A.expert_2.weight"), "not complete"),
        (lambda t: t.pop(f"{FIRST}.lora_route.weight"), "no router"),
        (lambda t: t.update({f"{FIRST}.lora_route.weight": torch.zeros(3, 320)}), "is .3, 320. for 4 experts"),
        (lambda t: t.update({f"{FIRST}.lora_route.weight": torch.zeros(4, 3)}), "its router is .4, 3."),
        (lambda t: t.update({f"{FIRST}.lora_A.weight": torch.zeros(4, 320)}), "plain LoRA and experts"),
        (lambda t: t.update({"transformer.x_embedder.lora_A.weight": torch.zeros(4, 384),
                             "transformer.x_embedder.lora_B.weight": torch.zeros(64, 8)}), "down to rank 4 and up"),
        (lambda t: t.update({"transformer.x_embedder.lora_A.weight": torch.zeros(4)}), "no matrices"),
        (lambda t: t.update({f"{FIRST}.lora_magnitude_vector.weight": torch.ones(1)}), "beside its mixture of experts"),
        (lambda t: t.update({"transformer.x_embedder.alpha": torch.ones(1), "lora_x": torch.ones(1)}), "not known"),
        (lambda t: t.update({"transformer.nowhere.lora_A.weight": torch.zeros(4, 64),
                             "transformer.nowhere.lora_B.weight": torch.zeros(64, 4)}), "another model"),
        (lambda t: t.update({"transformer.x_embedder.lora_A.weight": torch.zeros(4, 63),
                             "transformer.x_embedder.lora_B.weight": torch.zeros(64, 4)}), "another model"),
    ],
)  # fmt: skip
def test_broken_files_are_refused_whole(tmp_path, change, says):
    transformer = fill()
    with pytest.raises(InputError, match=says):
        load_adapter(transformer, broken(tmp_path, change))
    assert not any("lora" in name for name, _ in transformer.named_parameters())


def test_what_is_no_adapter_is_refused(tmp_path):
    half = tmp_path / "half.safetensors"
    half.write_bytes(next(MOE.glob("*.safetensors")).read_bytes()[:2000])
    with pytest.raises(InputError, match="not a whole safetensors"):
        load_adapter(fill(), half)
    with pytest.raises(InputError, match="pickle"):
        load_adapter(fill(), tmp_path / "adapter.bin")
    with pytest.raises(InputError, match="no adapter"):
        load_adapter(fill(), tmp_path / "nowhere")
    with pytest.raises(InputError):
        LoraMoeConfig(experts=2, top_k=3)


def test_a_saved_adapter_remembers_its_router(tmp_path):
    transformer = fill()
    ours = LoraMoeConfig(experts=3, rank=2, alpha=2, top_k=2, router="softmax_then_topk")
    transformer.add_adapter(ours.peft(), adapter_name="adapter")
    path = save_adapter(transformer, tmp_path)
    found = load_adapter(fill(), path)
    assert (found.experts, found.rank, found.top_k, found.router) == (3, 2, 2, "softmax_then_topk")
    found = load_adapter(fill(), path, top_k=1, router="published")
    assert (found.top_k, found.router) == (1, "published")
    save_file(load_file(path), path, metadata={"flowedit_grag": "[1"})  # as a damaged copy
    with pytest.raises(InputError, match="metadata that cannot be read"):
        load_adapter(fill(), path)


def scaling(transformer, name="adapter"):
    (found,) = {module.scaling[name] for module in transformer.modules() if name in getattr(module, "scaling", {})}
    return found


@pytest.mark.parametrize("experts", [1, 3])
def test_alpha_survives_a_file(tmp_path, experts):
    transformer = fill()
    mixtures = "" if experts == 1 else MIXTURES
    transformer.add_adapter(LoraMoeConfig(experts, 2, 6, mixtures=mixtures).peft(), adapter_name="adapter")
    again = fill()
    load_adapter(again, save_adapter(transformer, tmp_path))
    assert scaling(transformer) == scaling(again) == 3


def test_alpha_is_read_where_diffusers_writes_it(tmp_path):
    tensors, path = load_file(next(PLAIN.glob("*.safetensors"))), tmp_path / "lora.safetensors"
    save_file(tensors, path, metadata={"lora_adapter_metadata": '{"transformer.r": 4, "transformer.lora_alpha": 8}'})
    transformer = fill()
    load_adapter(transformer, path)
    assert scaling(transformer) == 2


@pytest.mark.parametrize(
    ("name", "value"), [("use_rslora", True), ("alpha_pattern", {"to_k": 16}), ("rank_pattern", {"to_k": 2})]
)
def test_scales_that_differ_between_layers_are_refused(tmp_path, name, value):
    tensors, path = load_file(next(PLAIN.glob("*.safetensors"))), tmp_path / "lora.safetensors"
    notes = {"r": 4, "lora_alpha": 4, "use_rslora": False, "alpha_pattern": {}, "rank_pattern": {}}
    content = {f"transformer.{name}": value for name, value in notes.items()}
    save_file(tensors, path, metadata={"lora_adapter_metadata": json.dumps(content)})
    load_adapter(fill(), path)
    content[f"transformer.{name}"] = value
    save_file(tensors, path, metadata={"lora_adapter_metadata": json.dumps(content)})
    with pytest.raises(InputError, match=f"with {name}; give it as lora="):
        load_adapter(fill(), path)


class Int8Linear(nn.Linear):
    """Weights in whole numbers, as quantised layers have them."""

    def __init__(self, layer):
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None)
        self.scale = layer.weight.abs().max() / 127
        self.weight = nn.Parameter((layer.weight / self.scale).round().to(torch.int8), requires_grad=False)
        self.bias = layer.bias

    def forward(self, x):
        return nn.functional.linear(x, self.weight * self.scale, self.bias)


def test_quantised_layers_take_adapters_and_are_not_merged(recorded):
    quantised, rounded = fill(), fill()
    for name, layer in list(quantised.named_modules()):
        if isinstance(layer, nn.Linear) and name.endswith(("to_k", "ff.net.2")):
            quantised.set_submodule(name, Int8Linear(layer))
            own = quantised.get_submodule(name)
            rounded.get_submodule(name).weight.data = own.weight * own.scale
    plain = run(quantised, recorded)
    for transformer in (quantised, rounded):
        load_adapter(transformer, MOE)
    after = run(quantised, recorded)
    assert error(after, plain) > 1e-3
    assert error(after, run(rounded, recorded)) <= 1e-5
    with pytest.raises(InputError, match="quantised"):
        merge_plain(quantised)
    assert torch.equal(run(quantised, recorded), after)


def test_ranks_belong_to_full_names(tmp_path):
    """A top-level module's rank is not that of others whose name ends alike."""
    inside = "single_transformer_blocks.0.proj_out"
    tensors = {
        f"transformer.{module}.lora_{side}.weight": torch.randn(*shape)
        for module, (rank, into, out) in {"proj_out": (2, 64, 64), inside: (4, 320, 64)}.items()
        for side, shape in (("A", (rank, into)), ("B", (out, rank)))
    }
    layer = fill().get_submodule(inside)
    tensors[f"transformer.{inside}.lora_A.weight"] = torch.randn(4, layer.in_features)
    tensors[f"transformer.{inside}.lora_B.weight"] = torch.randn(layer.out_features, 4)
    save_file(tensors, tmp_path / "lora.safetensors")
    transformer = fill()
    load_adapter(transformer, tmp_path)
    assert transformer.proj_out.lora_A["adapter"].out_features == 2
    assert transformer.get_submodule(inside).lora_A["adapter"].out_features == 4


def test_an_adapter_and_loras_act_together(tmp_path):
    from flowedit_grag import load

    folder = GOLDEN / "tiny_flux_fill"
    both = load(folder, adapter=MOE, lora=PLAIN, adapter_scale=0.5).transformer
    assert sorted(both.active_adapters()) == ["adapter", "lora0"]
    assert scaling(both) == 0.5
    assert scaling(both, "lora0") == 1.0


def test_loras_of_text_encoders_act_together(tmp_path):
    from flowedit_grag import load

    folder, names = GOLDEN / "tiny_flux_fill", ("first", "second")
    transformer, encoder = fill(), load(folder).pipeline.text_encoder
    query = next(name for name, _ in encoder.named_modules() if name.endswith("self_attn.q_proj"))
    inside = ("single_transformer_blocks.0.proj_out", query)
    for name in names:
        tensors = {}
        for part, model, module in zip(("transformer", "text_encoder"), (transformer, encoder), inside, strict=True):
            layer = model.get_submodule(module)
            tensors[f"{part}.{module}.lora_A.weight"] = torch.randn(2, layer.in_features)
            tensors[f"{part}.{module}.lora_B.weight"] = torch.randn(layer.out_features, 2)
        save_file(tensors, tmp_path / f"{name}.safetensors")
    flow = load(folder, lora=[tmp_path / f"{name}.safetensors" for name in names])
    for network in (flow.transformer, flow.pipeline.text_encoder):
        assert sorted(network.active_adapters()) == ["lora0", "lora1"]


def test_compiled_blocks_take_any_size_and_edit(tiny, monkeypatch):
    from flowedit_grag import load

    kind = type(tiny.transformer)
    stock = kind.compile_repeated_blocks
    monkeypatch.setattr(
        kind, "compile_repeated_blocks", lambda self, **options: stock(self, backend="eager", **options)
    )
    flow = load(GOLDEN / "tiny_flux", compile=True)
    editor = Editor("icedit-t2i", flow, steps=2, width=32)
    for size in ((32, 32), (32, 48), (32, 64)):
        image = Image.fromarray(np.zeros((*size[::-1], 3), np.uint8))
        assert editor.edit(image, instruction="make it red").image.size == size


def test_a_mixture_is_no_lora():
    from flowedit_grag import load

    with pytest.raises(InputError, match="give it as adapter="):
        load(GOLDEN / "tiny_flux_fill", lora=MOE)


@pytest.mark.parametrize(
    ("expert", "router"), [("experts.0.lora_A", "lora_gate"), ("lora_A.0", "router"), ("lora_A.0", "lora_router")]
)
def test_a_mixture_in_another_layout_is_refused_either_way(tmp_path, expert, router):
    from flowedit_grag import load

    tensors = {
        key.replace("lora_A.expert_0", expert).replace("lora_route", router): tensor
        for key, tensor in load_file(next(MOE.glob("*.safetensors"))).items()
    }
    save_file(tensors, path := tmp_path / "lora.safetensors")
    for way in ({"adapter": path}, {"lora": path}):
        with pytest.raises(InputError, match="seems to be a mixture of experts in a layout that is not known here"):
            load(GOLDEN / "tiny_flux_fill", **way)


def test_a_lora_with_layers_that_the_model_does_not_have(tmp_path):
    from flowedit_grag import load

    tensors = load_file(next(PLAIN.glob("*.safetensors")))
    key = next(key for key in tensors if ".lora_A." in key)
    for side in ("A", "B"):
        name = key.replace("lora_A", f"lora_{side}")
        tensors[name.replace("blocks.0", "blocks.7")] = tensors.pop(name)
    save_file(tensors, path := tmp_path / "lora.safetensors")
    with pytest.raises(
        InputError, match=r"is a LoRA of another model: 1 of its layers are not here, such as .*blocks\.7"
    ):
        load(GOLDEN / "tiny_flux_fill", lora=path)


def test_weights_and_routers_that_are_none(tmp_path):
    whole, path = load_file(next(MOE.glob("*.safetensors"))), tmp_path / "lora.safetensors"
    route = next(key for key in whole if "lora_route" in key)
    for spoiled, said in (
        (torch.tensor(1.0), "its router is"),
        (whole[route] * float("nan"), "not finite"),
        (whole[route].to(torch.float8_e4m3fn), "has weights in float8_e4m3fn"),
        (whole[route].long(), "has weights in int64"),
    ):
        save_file({**whole, route: spoiled}, path)
        with pytest.raises(InputError, match=said):
            load_adapter(fill(), path)
    save_file(whole, path)
    with pytest.raises(InputError, match="top_k"):
        load_adapter(fill(), path, top_k=0)
    (folder := tmp_path / "pickled").mkdir()
    (folder / "adapter_model.bin").touch()
    with pytest.raises(InputError, match=r"adapter_model\.bin may be a pickle"):
        load_adapter(fill(), folder)


@pytest.mark.parametrize(("source", "said"), [
    ("", "an adapter is a safetensors file"),
    (5, "hub id or lab-lora, lab-moe, not 5"),
    (".", "there is no adapter in .*: no safetensors file is there"),
])  # fmt: skip
def test_what_is_no_place_says_so(source, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        load_adapter(fill(), source)


@pytest.mark.parametrize("scale", ["much", float("nan"), float("inf"), True])
def test_scales_are_numbers(scale):
    from flowedit_grag import load

    with pytest.raises(InputError, match="adapter_scale must be a number"):
        load(GOLDEN / "tiny_flux_fill", adapter=MOE, adapter_scale=scale)


@pytest.mark.parametrize("source", ["./missing.safetensors", "../nowhere", "runs/x.safetensors"])
def test_missing_files_are_not_looked_for_on_the_hub(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no adapter at"):
        load_adapter(fill(), source)


def test_a_name_is_taken_once_and_refusal_leaves_nothing():
    transformer = fill()
    with pytest.raises(InputError, match=r"an adapter cannot be called 'my\.adapter'"):
        load_adapter(transformer, PLAIN, "my.adapter")
    load_adapter(transformer, PLAIN)
    with pytest.raises(InputError, match="already has an adapter"):
        load_adapter(transformer, MOE)
    stock = fill()
    stock.add_adapter(LoraConfig(r=2, target_modules=["ff.net.2", "proj_out"]), adapter_name="stock")
    before = set(dict(stock.named_parameters()))
    with pytest.raises(InputError, match="cannot join"):
        load_adapter(stock, MOE)
    assert set(dict(stock.named_parameters())) == before


@pytest.mark.parametrize("change", [{"use_rslora": True}, {"alpha_pattern": {"to_k": 16}}, {"lora_bias": True}])
def test_what_the_layout_cannot_say_is_not_saved(tmp_path, change):
    transformer = fill()
    transformer.add_adapter(LoraConfig(r=2, lora_alpha=4, target_modules=["to_q", "to_k"], **change), "adapter")
    with pytest.raises(InputError, match="cannot be saved in the published layout"):
        save_adapter(transformer, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        ({"width": 1e400}, "width is inf"),
        ({"width": 0}, "width is 0"),
        ({"top_k": True}, "top_k is True"),
        ({"alpha_over_rank": -1}, "alpha_over_rank is -1"),
        ({"top_k": 9}, r"safetensors cannot be loaded so: LoRA-MoE needs 1 <= top_k <= experts"),
    ],
)
def test_metadata_that_makes_no_sense(tmp_path, noted, said):
    tensors, path = load_file(next(MOE.glob("*.safetensors"))), tmp_path / "lora.safetensors"
    notes = {"top_k": 1, "router": "published", "alpha_over_rank": 1.0, **noted}
    save_file(tensors, path, metadata={"flowedit_grag": json.dumps(notes)})
    with pytest.raises(InputError, match=said):
        load_adapter(fill(), path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": float("nan")}, "alpha must be finite"),
        ({"alpha": 0}, "alpha must be above 0"),
        ({"alpha": "x"}, "alpha must be a number"),
        ({"rank": "4"}, "rank must be a whole number"),
        ({"plain": "("}, "plain is not a regular expression"),
        ({"plain": "", "mixtures": ""}, "adapts nothing"),
    ],
)
def test_settings_that_make_no_sense(options, words):
    with pytest.raises(InputError, match=words):
        LoraMoeConfig(**options)


def test_experts_that_are_not_chosen_can_be_left_out():
    """The way that the bench compares with gives the same numbers."""
    experts = Experts(4, 3, 10, 6)
    x = torch.randn(20, 10, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(experts.only_the_chosen(x), experts.all_of_them(x))
    assert experts.sparse_over_dense(20, repeats=1) > 0
