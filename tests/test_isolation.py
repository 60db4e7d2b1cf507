"""No edit can hurt another: threads, cancelled edits, kept exceptions, step caches and settings of the process."""

import asyncio
import copy
import gc
import json
import random
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from diffusers import FirstBlockCacheConfig, TaylorSeerCacheConfig
from PIL import Image

from flowedit_grag import Cancelled, Editor, InputError
from flowedit_grag.backbone.families.flux_transformer import PROCESSORS
from flowedit_grag.backbone.memory import row_bytes

STEPS = {
    "flowedit": {"steps": 4, "n_max": 3, "injection": "vital", "vital_layers": [0, 2]},
    "stableflow+": {"steps": 3, "vital_layers": [0, 2], "grag": 1.4},
    "rf-solver-edit": {"steps": 3},
    "icedit-t2i": {"steps": 3, "width": 32, "prompt": "descriptive"},
    "direct-edit": {"steps": 3, "inject_steps": 1},
    "sdedit": {"steps": 4},
}
WORDS = {"source_prompt": "a cat on a mat", "target_prompt": "a dog on a mat"}


def picture(number=0, size=(48, 32)):
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8))


def edited(model, method, number=0, on_progress=None, **changes):
    editor = Editor(method, model, **{**STEPS[method], **changes})
    return editor.edit(picture(number), **WORDS, seed=number, on_progress=on_progress)


def pixels(result):
    return np.stack([np.asarray(image) for image in result.images])


def is_stock(flow):
    return all(type(module.processor) in PROCESSORS for module in flow.attention().values())


def cancelling(step, kind=Cancelled):
    """A callback that ends the job at its ``step``-th call."""
    left = [step]

    def on_progress(progress):
        left[0] -= 1
        if not left[0]:
            raise kind

    return on_progress


def test_threads_make_the_pictures_that_one_makes(tiny):
    jobs = [(method, number) for number in range(2) for method in STEPS]
    alone = {job: edited(tiny, *job) for job in jobs}
    random.Random(0).shuffle(jobs)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: edited(tiny, *job), jobs))
    for job, result in zip(jobs, together, strict=True):
        assert np.array_equal(pixels(result), pixels(alone[job])), job
        assert (result.nfe, result.forward_calls) == (alone[job].nfe, alone[job].forward_calls)


def test_two_flows_of_one_transformer_have_one_lock(tiny):
    other = copy.copy(tiny)
    assert other.lock is tiny.lock


@pytest.mark.parametrize("kind", [Cancelled, RuntimeError, KeyboardInterrupt])
def test_a_cancelled_edit_whose_exception_is_kept_changes_nothing(tiny, kind):
    rng, kept = random.Random(1), []
    expected = {method: pixels(edited(tiny, method)) for method in STEPS}
    for _ in range(4):
        method, following = rng.choice(list(STEPS)), rng.choice(list(STEPS))
        with pytest.raises(kind) as caught:
            edited(tiny, method, on_progress=cancelling(rng.randint(1, 3), kind))
        kept.append(caught.value)
        assert is_stock(tiny)
        assert np.array_equal(pixels(edited(tiny, following)), expected[following])


def test_what_a_cancelled_edit_held_is_freed_though_the_exception_is_kept(tiny):
    model, seen = copy.copy(tiny), []

    def on_progress(progress):
        seen.append(weakref.ref(progress.latents))
        if len(seen) == 3:
            raise Cancelled

    editor, freed = Editor("stableflow+", model, **STEPS["stableflow+"]), []
    weakref.finalize(model, freed.append, True)
    with pytest.raises(Cancelled) as caught:
        editor.edit(picture(), **WORDS, on_progress=on_progress)
    error = caught.value
    del editor, model, caught
    gc.collect()
    assert error.__traceback__ is not None
    assert freed
    assert not any(latents() is not None for latents in seen)


@pytest.mark.parametrize("kind", [ValueError, TimeoutError, asyncio.CancelledError, SystemExit])
def test_whatever_ends_it_from_outside_frees_it(tiny, kind):
    seen = []

    def on_progress(progress):
        seen.append(weakref.ref(progress.latents))
        raise kind("enough")

    with pytest.raises(kind) as caught:
        edited(tiny, "sdedit", on_progress=on_progress)
    error = caught.value
    del caught
    gc.collect()
    assert error.__traceback__ is not None
    assert seen[0]() is None


def test_exceptions_that_go_in_circles_end_too(tiny):
    first, second = Cancelled("first"), Cancelled("second")
    first.__cause__, second.__cause__ = second, first

    def on_progress(progress):
        raise first

    with pytest.raises(Cancelled):
        edited(tiny, "sdedit", on_progress=on_progress)


def test_the_callers_own_exceptions_keep_their_frames(tiny):
    def work():
        kept = "of the caller"  # noqa: F841
        raise KeyError

    def numbers():
        yield from (1, 2)

    going = numbers()
    next(going)
    frames = []
    try:
        work()
    except KeyError as error:
        frames.append(error.__traceback__.tb_next.tb_frame)
        with pytest.raises(InputError):
            Editor("sdedit", tiny).edit("nothing.png", **WORDS)
    assert frames[0].f_locals == {"kept": "of the caller"}
    assert next(going) == 2


def test_a_callback_gets_latents_of_its_own(tiny):
    found = edited(tiny, "sdedit", on_progress=lambda made: made.latents.zero_())
    assert np.array_equal(pixels(found), pixels(edited(tiny, "sdedit")))


def test_running_out_of_memory_frees_what_the_edit_held(tiny, monkeypatch):
    seen = []

    def on_progress(progress):
        seen.append(weakref.ref(progress.latents))
        raise MemoryError("cannot allocate memory")

    with pytest.raises(InputError, match="out of memory") as caught:
        edited(tiny, "stableflow+", on_progress=on_progress)
    error = caught.value
    del caught
    gc.collect()
    assert seen[0]() is None
    assert error.__cause__ is not None


def test_a_model_is_busy_for_one_call_at_a_time(tiny, monkeypatch):
    inside, most, forward = [], [], type(tiny).forward

    def watched(self, *args):
        inside.append(threading.get_ident())
        most.append(len(inside))
        try:
            return forward(self, *args)
        finally:
            inside.pop()

    monkeypatch.setattr(type(tiny), "forward", watched)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: edited(tiny, "sdedit", number), range(8)))
    assert max(most) == 1


# ---- step caches -------------------------------------------------------------------------------------------------

CACHES = {
    "first block": FirstBlockCacheConfig(threshold=10.0),
    "taylorseer": TaylorSeerCacheConfig(cache_interval=3, disable_cache_before_step=1),
}


@pytest.fixture(params=CACHES)
def cached(request, tiny):
    tiny.transformer.enable_cache(CACHES[request.param])
    yield tiny
    tiny.transformer.disable_cache()


def plain_edit(model, number=0, **changes):
    return Editor("flowedit", model, steps=8, n_max=8, **changes).edit(picture(number), **WORDS, seed=number)


def test_a_step_cache_forgets_the_edit_before(cached):
    first = plain_edit(cached)
    plain_edit(cached, 1)
    again = plain_edit(cached)
    assert np.array_equal(pixels(first), pixels(again))
    assert is_stock(cached)


def test_what_a_step_cache_skips_is_reported(cached, request):
    result = plain_edit(cached)
    assert result.nfe == 16
    assert 0 < result.skipped < result.nfe
    assert result.settings["step_cache"]
    cached.transformer.disable_cache()
    whole = plain_edit(cached)
    assert whole.nfe == 16
    assert whole.skipped == 0
    assert "step_cache" not in whole.settings
    assert not np.array_equal(pixels(whole), pixels(result))
    cached.transformer.enable_cache(CACHES[request.node.callspec.params["cached"]])


def test_threads_share_a_model_with_a_step_cache(cached):
    alone = [pixels(plain_edit(cached, number)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: plain_edit(cached, number), range(4)))
    assert all(np.array_equal(pixels(result), expected) for result, expected in zip(together, alone, strict=True))


def test_an_edit_within_an_edit_is_refused_where_a_step_cache_is_on(cached):
    with pytest.raises(InputError, match="has the model to itself"):
        Editor("sdedit", cached, steps=4).edit(picture(), **WORDS, on_progress=lambda made: plain_edit(cached))
    assert is_stock(cached)


def test_a_strange_processor_is_named_though_a_step_cache_is_on(cached):
    layer = next(iter(cached.attention().values()))
    stock = layer.processor
    layer.set_processor(type("Strange", (type(stock),), {})())
    try:
        with pytest.raises(InputError, match="Strange"):
            plain_edit(cached)
    finally:
        layer.set_processor(stock)


def test_a_step_cache_and_attention_hooks_are_refused(cached):
    with pytest.raises(InputError, match="disable_cache"):
        edited(cached, "stableflow+")


# ---- settings of the process ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", STEPS)
def test_the_default_dtype_does_not_change_what_a_seed_means(tiny, method):
    expected = pixels(edited(tiny, method))
    torch.set_default_dtype(torch.float64)
    try:
        found = pixels(edited(tiny, method))
    finally:
        torch.set_default_dtype(torch.float32)
    assert np.array_equal(found, expected)


def test_autocast_is_refused(tiny):
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(InputError, match="autocast"):
        edited(tiny, "sdedit")


def test_inference_mode_changes_nothing(tiny):
    with torch.inference_mode():
        found = pixels(edited(tiny, "stableflow+"))
    assert np.array_equal(found, pixels(edited(tiny, "stableflow+")))


# ---- numbers -----------------------------------------------------------------------------------------------------


def test_generate_keeps_to_the_memory_budget(tiny):
    targets = ["a dog", "a fox", "a cow", "an owl", "a bee"]
    editor = Editor("stableflow", tiny, steps=2, vital_layers=[0])
    words = {"source_prompt": "a cat", "target_prompt": targets, "size": (48, 32)}
    whole = editor.generate(**words)
    layout = tiny.layout(tiny.encode(picture()), tiny.condition("a cat"))
    small = copy.copy(tiny)
    small.memory_budget = 3 * row_bytes(tiny.transformer, layout)
    steps, most = [], []
    editor = Editor("stableflow", small, steps=2, vital_layers=[0])
    in_parts = editor.generate(**words, on_progress=lambda made: (steps.append(made), most.append(len(made.latents))))
    assert in_parts.settings["rows_at_once"] == max(most) == 3
    assert [made.step for made in steps] == [1, 2, 3, 4, 5, 6]
    assert {made.steps for made in steps} == {6}
    assert len(in_parts.images) == 5
    assert in_parts.nfe == whole.nfe + 4
    differences = np.abs(pixels(in_parts).astype(int) - pixels(whole))
    assert differences.max() <= 1


def test_latents_that_are_not_finite_are_named_by_their_step(tiny, monkeypatch):
    calls, forward = [], type(tiny).forward

    def breaking(self, *args):
        calls.append(1)
        return forward(self, *args) * (float("nan") if len(calls) == 3 else 1)

    monkeypatch.setattr(type(tiny), "forward", breaking)
    with pytest.raises(InputError, match=r"after step 3 of \d+ \(edit\).*bfloat16"):
        edited(tiny, "sdedit")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nothing_that_is_not_finite_is_decoded(tiny, value):
    latents = tiny.encode(picture())
    latents[0, 0, 0, 0] = value
    with pytest.raises(InputError, match="not finite"):
        tiny.decode(latents)


def test_numbers_of_numpy_work_everywhere(tiny):
    editor = Editor("stableflow+", tiny, steps=np.int64(2), vital_layers=np.array([0, 2]), guidance=np.float32(3))
    strip = editor.sweep(picture(), **WORDS, delta=np.linspace(0.5, 1.5, 3, dtype=np.float32), seed=np.int64(3))
    assert json.loads(json.dumps(strip.settings)) == strip.settings
    assert strip.delta == [0.5, 1, 1.5]
    assert strip.settings["options"]["vital_layers"] == [0, 2]
    result = Editor(
        "flowedit", tiny, grag=np.float32(0.75), n_max=np.uint8(2), steps=np.int32(3), vital_layers=[0]
    ).edit(picture(), **WORDS, seed=np.uint16(7))
    assert json.loads(json.dumps(result.settings)) == result.settings
    assert result.settings["grag"]["delta"] == 0.75


@pytest.mark.parametrize("size", [48, (48.0, 32.0), (48,), (-16, 16), "48x32", (0, 0)])
def test_sizes_that_are_none(tiny, size):
    with pytest.raises(InputError, match="width, height"):
        Editor("stableflow", tiny).generate(source_prompt="a", target_prompt="b", size=size)


def test_sizes_of_numpy(tiny):
    editor = Editor("stableflow", tiny, steps=1, vital_layers=[0])
    found = editor.generate(source_prompt="a", target_prompt="b", size=np.array([48, 32]))
    assert found.image.size == (48, 32)


@pytest.mark.parametrize("delta", [1.0, "0.9"])
def test_sweeps_take_lists(tiny, delta):
    with pytest.raises(InputError, match="list of deltas"):
        Editor("flowedit", tiny).sweep(picture(), **WORDS, delta=delta)


def test_prompts_are_text_that_can_be_encoded(tiny):
    with pytest.raises(InputError, match="UTF-8"):
        Editor("sdedit", tiny).edit(picture(), source_prompt="a", target_prompt="b\udc80")
