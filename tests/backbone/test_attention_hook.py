"""The attention hook: nothing changes where it does nothing, nothing is left behind."""

import pytest
import torch
from conftest import GOLDEN
from diffusers.models.attention_dispatch import _AttentionBackendRegistry, attention_backend

from flowedit_grag import GRAG, Condition, InputError, load
from flowedit_grag.backbone.attention_hook import compose
from flowedit_grag.guidance.control import ControlledGroup
from flowedit_grag.injection.recorder import ValueRecorder
from flowedit_grag.injection.share import ShareKV


def nothing(q, k, v):
    return q, k, v


def broken(q, k, v):
    raise RuntimeError("at work")


@pytest.fixture
def call(tiny):
    """``call(hooks)`` is one velocity of the tiny model, three rows, a short text and a non-square image."""
    generator = torch.Generator().manual_seed(0)
    condition = Condition(torch.randn(3, 9, 32, generator=generator), torch.randn(3, 32, generator=generator))
    x = torch.randn(3, 16, 8, 12, generator=generator)
    return lambda hooks=None: tiny.velocity(condition, 2.0, hooks)(x, 0.6)


IMAGE = slice(9, 9 + 4 * 6)


def test_identity_is_bitwise_the_stock_output(tiny, call):
    stock = call()
    every = range(tiny.layers)
    assert torch.equal(call(dict.fromkeys(every, nothing)), stock)
    group = ControlledGroup(IMAGE, (GRAG(),) * 3, text=9)
    assert torch.equal(call(dict.fromkeys(every, group)), stock)


def test_identity_with_fused_projections(tiny, call):
    tiny.transformer.fuse_qkv_projections()
    try:
        if any("Fused" in type(p).__name__ for p in tiny.transformer.attn_processors.values()):
            pytest.skip("this diffusers has a processor of its own for fused projections")
        stock = call()
        assert torch.equal(call(dict.fromkeys(range(10), nothing)), stock)
    finally:
        tiny.transformer.unfuse_qkv_projections()


def test_processors_come_back_even_after_an_exception(tiny, call):
    stock, before = call(), dict(tiny.transformer.attn_processors)
    with pytest.raises(RuntimeError, match="at work"):
        call({0: nothing, 7: broken})
    assert tiny.transformer.attn_processors == before
    assert torch.equal(call(), stock)


def test_hooks_are_there_for_one_call_and_may_depend_on_sigma(tiny):
    condition, x, seen = tiny.condition("a cat"), torch.randn(1, 16, 8, 8), []
    stock = dict(tiny.transformer.attn_processors)

    def hooks(sigma):
        return {2: lambda q, k, v: (seen.append((sigma, len(q))), (q, k, v))[1]} if sigma > 0.5 else {}

    v = tiny.velocity(condition, hooks=hooks)
    for sigma in (0.9, 0.6, 0.3):
        v(x, sigma)
        assert tiny.transformer.attn_processors == stock
    assert seen == [(0.9, 1), (0.6, 1)]


def test_attention_backend_is_kept(tiny, call):
    seen = []

    def look(q, k, v):
        module = tiny.attention()["transformer_blocks.3.attn"]
        seen.append((module.processor._attention_backend, module.processor._parallel_config))
        return q, k, v

    with attention_backend("_native_math"):  # diffusers sets it for the whole process besides
        tiny.transformer.set_attention_backend("_native_math")
        try:
            call({3: look})
            own = tiny.transformer.transformer_blocks[0].attn.processor
            assert seen == [(own._attention_backend, own._parallel_config)]
        finally:
            tiny.transformer.reset_attention_backend()


def test_a_model_loaded_with_an_attention_backend_leaves_others_theirs(tiny, call):
    active, before = _AttentionBackendRegistry.get_active_backend(), call({})
    other = load(GOLDEN / "tiny_flux", attention_backend="_native_math")
    assert other.transformer.transformer_blocks[0].attn.processor._attention_backend == "_native_math"
    assert _AttentionBackendRegistry.get_active_backend() == active
    assert torch.equal(call({}), before)


def test_refuses_what_it_would_drop(tiny, call):
    module = list(tiny.attention().values())[1]
    stock = module.processor
    module.set_processor(type("Adapter", (type(stock),), {})())
    try:
        with pytest.raises(InputError, match="Adapter"):
            call({1: nothing})
    finally:
        module.set_processor(stock)
    for wrong in (10, -1, 1.5):
        with pytest.raises(InputError, match="0 to 9"):
            call({wrong: nothing})


def test_refuses_step_caches(tiny, call):
    from diffusers import FirstBlockCacheConfig

    tiny.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    try:
        with pytest.raises(InputError, match="disable_cache"):
            call({1: nothing})
    finally:
        tiny.transformer.disable_cache()


def test_works_under_lora(tiny, call):
    from peft import LoraConfig

    stock = call()
    tiny.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_k"], init_lora_weights=False))
    try:
        adapted = call()
        assert not torch.equal(adapted, stock)
        assert torch.equal(call(dict.fromkeys(range(10), nothing)), adapted)
    finally:
        tiny.transformer.delete_adapters("default")
    assert torch.equal(call(), stock)


def test_sharing_gives_rows_the_source_keys_and_values():
    q, k, v = (torch.randn(3, 5, 2, 4) for _ in range(3))
    q2, k2, v2 = ShareKV(0, (2,), slice(1, 5))(q, k, v)
    assert torch.equal(q2, q)
    for new, old in ((k2, k), (v2, v)):
        assert torch.equal(new[:2], old[:2])
        assert torch.equal(new[2, 1:], old[0, 1:])
        assert torch.equal(new[2, 0], old[2, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_grag_acts_on_each_row_alone(dtype):
    k = torch.randn(3, 7, 2, 4).to(dtype)
    tokens = torch.tensor([1, 3, 4])  # a strided group
    edit = ControlledGroup(tokens, (None, GRAG(0.9, 1.3), GRAG(1.0, 0.5)), text=0)
    _, out, _ = edit(k, k, k)
    assert out.dtype == dtype
    assert torch.equal(out[0], k[0])
    assert torch.equal(out[:, [0, 2, 5, 6]], k[:, [0, 2, 5, 6]])
    for row, strength in ((1, GRAG(0.9, 1.3)), (2, GRAG(1.0, 0.5))):
        mean = k[row, tokens].double().mean(0, keepdim=True)
        expected = strength.lam * mean + strength.delta * (k[row, tokens].double() - mean)
        torch.testing.assert_close(
            out[row, tokens].double(), expected, atol=2e-2 if dtype == torch.bfloat16 else 1e-5, rtol=0
        )


def test_recorder_states_its_size_and_returns_what_it_saw(tiny, call):
    recorder = ValueRecorder([2, 6], slots=2, shape=(3, 33, 4, 16), dtype=torch.float32, device="cpu")
    assert recorder.nbytes == 2 * 2 * 3 * 33 * 4 * 16 * 4
    stock = call(recorder.record(1))
    assert torch.equal(call(recorder.inject(1, (0, 1, 2))), stock)  # its own values change nothing
    recorder.buffers[6][1].zero_()
    assert not torch.allclose(call(recorder.inject(1, (0, 1, 2))), stock)


def test_compose_applies_first_to_last():
    order = []

    def note(name):
        return lambda q, k, v: (order.append(name), (q, k, v))[1]

    compose(note("a"), note("b"))(1, 2, 3)
    assert order == ["a", "b"]


@pytest.mark.parametrize("layer", [0, 9])
def test_bypassing_a_block_changes_the_output_and_comes_back(tiny, call, layer):
    stock, forwards = call(), [module.__dict__.get("forward") for module in tiny.transformer.modules()]
    with tiny.bypassed(layer):
        assert not torch.allclose(call(), stock)
    assert torch.equal(call(), stock)
    assert forwards == [module.__dict__.get("forward") for module in tiny.transformer.modules()]
