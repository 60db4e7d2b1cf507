"""ICEdit: the recorded diptych, panels and padding, prompts, strength, refusals."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from PIL import Image
from safetensors.torch import load_file

from benchmarks.replay import relative_error
from flowedit_grag import Condition, Editor, InputError, method
from flowedit_grag.backbone.families.flux_fill import context_right_of
from flowedit_grag.backbone.families.flux_transformer import pack
from flowedit_grag.inversion import Solver, integrate
from flowedit_grag.methods.changes import pasted
from flowedit_grag.methods.diptych_frame import diptych_prompt
from flowedit_grag.methods.frame import EditRequest

INSTRUCTION = "but the cat is wearing a red hat"


@pytest.fixture(scope="module")
def recorded():
    return load_file(GOLDEN / "diptych.safetensors")


def test_the_recorded_picture(tiny_fill, recorded):
    flow, noise = dataclasses.replace(tiny_fill, context=recorded["cond"]), recorded["draw1"]
    v = flow.velocity(Condition(recorded["prompt_embeds"], recorded["pooled"]), recorded["guidance"].tolist())
    latents = integrate(v, noise, flow.schedule(len(recorded["call_t"]), noise), Solver.of("euler"))
    picture = torch.from_numpy(np.array(flow.decode(latents))).float()
    full = recorded["out_full"].float()
    assert (picture - (full if full.max() > 1 else full * 255)).abs().max() <= 1.01
    size = recorded["out_crop"].shape[1], recorded["out_crop"].shape[0]
    right = np.asarray(method("icedit", width=size[0]).frame().decode(flow, latents, Image.new("RGB", size)), float)
    assert np.array_equal(right, picture.numpy()[:, size[0] :])


def test_context_is_the_recorded_one(tiny_fill, recorded):
    edit, image = method("icedit", width=128), Image.open(GOLDEN / "source_128.png").convert("RGB")
    latents = edit.frame().encode(tiny_fill, image)
    context = context_right_of(tiny_fill, latents, latents.shape[-1] // 4)
    assert torch.equal(context[..., 64:], recorded["cond"][..., 64:])
    # the recording drew from the posterior where we take its mean
    vae = tiny_fill.pipeline.vae
    sheet = np.concatenate([np.asarray(image, np.float32), np.full((128, 128, 3), 127.5, np.float32)], axis=1)
    with torch.no_grad():
        posterior = vae.encode(torch.from_numpy(sheet).permute(2, 0, 1)[None] / 127.5 - 1).latent_dist
    drawn = posterior.mean + posterior.std * recorded["draw2"]
    drawn = (drawn - vae.config.shift_factor) * vae.config.scaling_factor
    assert relative_error(pack(drawn), recorded["cond"][..., :64]) <= 1e-4
    assert relative_error(latents, (posterior.mean - vae.config.shift_factor) * vae.config.scaling_factor) <= 1e-4


@pytest.mark.parametrize("size", [(97, 130), (128, 80), (300, 41)])
@pytest.mark.parametrize("name", ["icedit", "icedit-t2i"])
def test_any_size_comes_back_at_its_own(tiny_for, name, size):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8))
    editor = Editor(method=name, model=tiny_for(name), width=64, steps=1)
    result = editor.edit(image, instruction=INSTRUCTION, seed=1)
    assert result.image.size == size
    assert result.nfe == result.forward_calls == (1 if name == "icedit" else 3)  # midpoint inverts in two
    assert result.settings["size"][0] == 64
    assert INSTRUCTION in result.settings["target_prompts"][0]


@pytest.mark.parametrize("name", ["icedit", "icedit-t2i"])
def test_padding_is_a_reflection_and_never_a_strip(tiny_for, name):
    rows = np.arange(41, dtype=np.uint8)[:, None, None] * 6
    image = np.broadcast_to(rows, (41, 64, 3)).copy()
    reflected = np.concatenate([image, image[:-8:-1]])  # the edge pixel too
    edit, flow = method(name, width=64), tiny_for(name)
    latents = edit.frame().encode(flow, Image.fromarray(image))
    assert latents.shape == (1, 16, 6, 16 if edit.fills else 8)
    assert torch.equal(latents, edit.frame().encode(flow, Image.fromarray(reflected)))


def test_padding_is_cropped_and_the_edit_pixel_aligned(tiny_fill):
    original = Image.new("RGB", (64, 41))
    latents = torch.randn(1, 16, 6, 16)
    sheet = np.asarray(tiny_fill.decode(latents))
    made = method("icedit", width=64).frame().decode(tiny_fill, latents, original)
    assert sheet.shape == (48, 128, 3)
    np.testing.assert_array_equal(np.asarray(made), sheet[:41, 64:])


def apart(first, second):
    """The largest difference in grey levels."""
    return np.abs(np.asarray(first, int) - np.asarray(second, int)).max()


def test_instructions_in_one_batch_and_strengths(tiny_fill):
    image = Image.open(GOLDEN / "source_128.png")
    editor = Editor(method="icedit", model=tiny_fill, width=64, steps=2, guidance=5.0)
    both = editor.edit(image, instruction=["make it red", "make it blue"], seed=3)
    assert len(both.images) == 2
    assert apart(both.image, editor.edit(image, instruction="make it red", seed=3).image) <= 1  # batches round apart
    strip = editor.sweep(image, instruction="make it red", delta=[1.0, 1.3], seed=3)
    assert apart(strip.images[0], both.image) <= 1
    assert apart(strip.images[1], both.image) > 1


def test_prompt_styles():
    inside = diptych_prompt("make the star green")
    assert inside.startswith(
        "A diptych with two side-by-side images of the same scene. On the right, the scene is exactly"
    )
    assert inside.endswith("but make the star green")
    assert diptych_prompt(" make it red ", "direct") == "make it red"
    captions = EditRequest.of(None, "a red star.", "a green star")
    source, (both,) = captions.prompts(method("icedit", prompt="descriptive"))
    assert source == "a red star."
    assert both.endswith("On the left, a red star. On the right, a green star.")
    with pytest.raises(InputError, match="instruction is empty"):
        diptych_prompt(" ")
    with pytest.raises(InputError, match="unknown value of prompt 'odd'"):
        method("icedit", prompt="odd")


def test_wrong_words_and_wrong_models_are_refused(tiny, tiny_fill):
    image = Image.open(GOLDEN / "source_128.png")
    with pytest.raises(InputError, match="needs a Fill model"):
        Editor(method="icedit", model=tiny)
    with pytest.raises(InputError, match="needs a text-to-image model"):
        Editor(method="sdedit", model=tiny_fill)
    editor = Editor(method="icedit", model=tiny_fill, width=64, steps=1)
    with pytest.raises(InputError, match="takes an instruction"):
        editor.edit(image, source_prompt="a", target_prompt="b")
    with pytest.raises(InputError, match="instruction is empty"):
        editor.edit(image, instruction="  ")
    with pytest.raises(InputError, match="no target prompt"):
        editor.edit(image, instruction="make it red", target_prompt="b")
    with pytest.raises(InputError, match="works from captions"):
        Editor(method="sdedit", model=tiny).edit(image, source_prompt="a", target_prompt="b", instruction="make it red")
    with pytest.raises(InputError, match="source and a target prompt"):
        Editor(method="sdedit", model=tiny).edit(image, instruction="make it red")
    with pytest.raises(InputError, match="texts, or lists"):
        editor.edit(image, instruction=5)
    with pytest.raises(InputError, match="at most 8 times its width"):
        editor.edit(Image.new("RGB", (40, 20_000)), instruction="make it red")
    with pytest.raises(InputError, match="takes a source"):
        EditRequest.of("make it red", None, None).prompts(method("icedit", prompt="descriptive"))


@pytest.mark.parametrize("solver", ["euler", "midpoint"])
@pytest.mark.parametrize("steps", [1, 3])
def test_text_to_image_framework_by_hand(tiny, steps, solver):
    """The right panel from fresh noise, the left from inverted noise with the source's values of the nearest sigma."""
    edit = method("icedit-t2i", steps=steps, guidance=2.0, solver=solver, value_layers=(0, 7))
    x, noise = torch.randn(1, 16, 8, 6), torch.randn(1, 16, 8, 6)
    source, target = (Condition(torch.randn(1, 5, 32), torch.randn(1, 32)) for _ in range(2))
    sigmas, recorded = tiny.schedule(steps, torch.cat([x, x], dim=-1)), {}

    def record(layer, sigma):
        def keep(q, k, v):
            recorded[layer, sigma] = v[:, 5:]
            return q, k, v

        return keep

    def put(layer, sigma):
        nearest = min((known for _, known in recorded), key=lambda known: abs(known - sigma))

        def into(q, k, v):
            grid = v[:, 5:].clone().unflatten(1, (4, 6))
            grid[:, :, :3] = recorded[layer, nearest].unflatten(1, (4, 3))
            return q, k, torch.cat([v[:, :5], grid.flatten(1, 2)], dim=1)

        return into

    def velocity(condition, guidance, change):
        return tiny.velocity(condition, guidance, lambda sigma: {layer: change(layer, sigma) for layer in (0, 7)})

    known = velocity(source, 1.0, record)
    inverted = x
    for low, high in pairwise(sigmas[::-1]):
        middle = (low + high) / 2
        towards = known(inverted, low)
        towards = towards if solver == "euler" else known(inverted + (middle - low) * towards, middle)
        inverted = inverted + (high - low) * towards
    wanted, drawn = torch.cat([inverted, noise], dim=-1), velocity(target, 2.0, put)
    for high, low in pairwise(sigmas):
        wanted = wanted + (low - high) * drawn(wanted, high)
    made = edit(tiny, x, source=source, target=[target], noise=[noise])
    assert relative_error(made, wanted) <= 1e-5


def test_values_may_be_kept_on_the_cpu(tiny, caplog):
    caplog.set_level("INFO", logger="flowedit_grag.methods.icedit_t2i")
    editor = Editor(method="icedit-t2i", model=tiny, width=64, steps=1, record_on="cpu")
    result = editor.edit(Image.open(GOLDEN / "source_128.png"), instruction=INSTRUCTION)
    assert result.image.size == (128, 128)
    assert "recording values of 10 layers at 1 noise levels" in caplog.text


def test_unedited_pixels_are_the_sources_own():
    rng = np.random.default_rng(0)
    original = Image.fromarray(rng.integers(0, 256, (200, 300, 3), np.uint8))
    left = Image.new("RGB", (150, 100), (90, 120, 60))  # what a model made of it, whatever that is
    edit = left.copy()
    edit.paste((200, 20, 20), (100, 40, 120, 60))
    out = np.asarray(pasted(edit, left, original)[0])
    inside = np.zeros((200, 300), bool)
    inside[84:116, 204:236] = True  # enlarging blurs its edge
    far = np.ones((200, 300), bool)
    far[50:150, 170:270] = False
    assert np.array_equal(out[far], np.asarray(original)[far])
    assert (np.abs(out[inside].astype(int) - (200, 20, 20)).max(axis=-1) < 40).all()
    assert np.array_equal(np.asarray(pasted(left, left, original)[0]), np.asarray(original))


def test_a_thin_line_is_an_edit_too():
    left = Image.new("RGB", (512, 512), (90, 120, 60))
    edit = left.copy()
    edit.paste((210, 120, 60), (100, 256, 400, 257))
    out = np.asarray(pasted(edit, left, left)[0])
    assert (out[256, 100:400] == (210, 120, 60)).all()
    assert np.array_equal(out[:200], np.asarray(left)[:200])


def test_a_prompt_that_is_too_long_is_refused_and_not_cut(tiny_fill):
    most = tiny_fill.pipeline.tokenizer_2.model_max_length
    with pytest.raises(
        InputError, match=rf"has \d+ tokens, and .*tiny_flux_fill reads {most}; shorten 'A diptych .* …'"
    ):
        Editor("icedit", tiny_fill, width=64, steps=1).edit(
            Image.open(GOLDEN / "source_128.png"), instruction="make it red " * most
        )
