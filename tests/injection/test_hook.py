"""The attention seam: nothing changes at rest, nothing is left behind."""

import pytest
import torch

from flowedit_grag import GRAG, Condition, InputError
from flowedit_grag.guidance.control import ControlledGroup
from flowedit_grag.guidance.grag import reweighted
from flowedit_grag.injection.bypass import bypassed
from flowedit_grag.injection.hook import compose, hooked, layer_names
from flowedit_grag.injection.recorder import ValueRecorder
from flowedit_grag.injection.share import ShareKV


def nothing(q, k, v):
    return q, k, v


def broken(q, k, v):
    raise RuntimeError("at work")


@pytest.fixture
def call(tiny):
    """``call()`` is one velocity of the tiny model, three rows, a short text and a non-square image."""
    generator = torch.Generator().manual_seed(0)
    condition = Condition(torch.randn(3, 9, 32, generator=generator), torch.randn(3, 32, generator=generator))
    x = torch.randn(3, 16, 8, 12, generator=generator)
    return lambda: tiny.velocity(condition, 2.0)(x, 0.6)


IMAGE = slice(9, 9 + 4 * 6)


def test_identity_is_bitwise_the_stock_output(tiny, call):
    stock = call()
    every = range(len(layer_names(tiny.transformer)))
    with hooked(tiny.transformer, dict.fromkeys(every, nothing)):
        assert torch.equal(call(), stock)
    with hooked(tiny.transformer, dict.fromkeys(every, ControlledGroup(IMAGE, (0, 1, 2), (GRAG(),) * 3, text=9))):
        assert torch.equal(call(), stock)


def test_identity_with_fused_projections(tiny, call):
    tiny.transformer.fuse_qkv_projections()
    try:
        if any("Fused" in type(p).__name__ for p in tiny.transformer.attn_processors.values()):
            pytest.skip("this diffusers has a processor of its own for fused projections")
        stock = call()
        with hooked(tiny.transformer, dict.fromkeys(range(10), nothing)):
            assert torch.equal(call(), stock)
    finally:
        tiny.transformer.unfuse_qkv_projections()


def test_processors_come_back_even_after_an_exception(tiny, call):
    stock, before = call(), dict(tiny.transformer.attn_processors)
    with pytest.raises(RuntimeError, match="at work"), hooked(tiny.transformer, {0: nothing, 7: broken}):
        call()
    assert tiny.transformer.attn_processors == before
    assert torch.equal(call(), stock)


def test_attention_backend_is_kept(tiny):
    tiny.transformer.set_attention_backend("_native_math")
    try:
        with hooked(tiny.transformer, {3: nothing}):
            processor = tiny.transformer.get_submodule(layer_names(tiny.transformer)[3]).processor
            assert (
                processor._attention_backend == tiny.transformer.transformer_blocks[0].attn.processor._attention_backend
            )
    finally:
        tiny.transformer.reset_attention_backend()


def test_refuses_what_it_would_drop(tiny):
    module = tiny.transformer.get_submodule(layer_names(tiny.transformer)[1])
    stock = module.processor
    module.set_processor(type("Adapter", (type(stock),), {})())
    try:
        with pytest.raises(InputError, match="Adapter"), hooked(tiny.transformer, {1: nothing}):
            pass
    finally:
        module.set_processor(stock)
    for wrong in (10, -1, 1.5):
        with pytest.raises(InputError, match="0 to 9"), hooked(tiny.transformer, {wrong: nothing}):
            pass


def test_refuses_step_caches(tiny):
    from diffusers import FirstBlockCacheConfig

    tiny.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    try:
        with pytest.raises(InputError, match="disable_cache"), hooked(tiny.transformer, {1: nothing}):
            pass
    finally:
        tiny.transformer.disable_cache()


def test_works_under_lora(tiny, call):
    from peft import LoraConfig

    stock = call()
    tiny.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_k"], init_lora_weights=False))
    try:
        adapted = call()
        assert not torch.equal(adapted, stock)
        with hooked(tiny.transformer, dict.fromkeys(range(10), nothing)):
            assert torch.equal(call(), adapted)
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
    edit = ControlledGroup(tokens, (1, 2), (GRAG(0.9, 1.3), GRAG(1.0, 0.5)), text=0)
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


def test_grag_on_a_batch_is_grag_on_each(tiny):
    k = torch.randn(4, 6, 2, 3)
    together = reweighted(k, GRAG(0.8, 1.4))
    assert torch.equal(together, torch.stack([reweighted(row, GRAG(0.8, 1.4)) for row in k]))


def test_recorder_states_its_size_and_returns_what_it_saw(tiny, call):
    recorder = ValueRecorder([2, 6], slots=2, shape=(3, 33, 4, 16), dtype=torch.float32, device="cpu")
    assert recorder.nbytes == 2 * 2 * 3 * 33 * 4 * 16 * 4
    with hooked(tiny.transformer, recorder.record(1)):
        stock = call()
    with hooked(tiny.transformer, recorder.inject(1, (0, 1, 2))):
        assert torch.equal(call(), stock)  # its own values change nothing
    recorder.buffers[6][1].zero_()
    with hooked(tiny.transformer, recorder.inject(1, (0, 1, 2))):
        assert not torch.allclose(call(), stock)


def test_chained_applies_first_to_last():
    order = []

    def note(name):
        return lambda q, k, v: (order.append(name), (q, k, v))[1]

    compose(note("a"), note("b"))(1, 2, 3)
    assert order == ["a", "b"]


@pytest.mark.parametrize("layer", [0, 9])
def test_bypassing_a_block_changes_the_output_and_comes_back(tiny, call, layer):
    stock, forwards = call(), [module.__dict__.get("forward") for module in tiny.transformer.modules()]
    with bypassed(tiny.transformer, layer):
        assert not torch.allclose(call(), stock)
    assert torch.equal(call(), stock)
    assert forwards == [module.__dict__.get("forward") for module in tiny.transformer.modules()]
