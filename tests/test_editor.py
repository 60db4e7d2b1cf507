"""The Python interface on the embedded model: results, seeds, sizes, bad input."""

import json
import warnings

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from PIL import Image

from flowedit_grag import GRAG, Editor, InputError, load, method

FAST = {"flowedit": {"steps": 4, "n_max": 3}, "stableflow": {"steps": 3}, "stableflow+": {"steps": 2},
        "flowslider": {"steps": 4, "n_max": 3}, "flowalign": {"steps": 2}, "direct-edit": {"steps": 3},
        "rf-solver-edit": {"steps": 3}, "sdedit": {"steps": 3}, "reconstruct": {"steps": 2}}  # fmt: skip


@pytest.fixture
def prompts(recolor):
    return {"source_prompt": recolor.source_prompt, "target_prompt": recolor.target_prompt}


@pytest.mark.parametrize("name", FAST)
def test_every_method_edits(lab, recolor, prompts, name):
    result = Editor(method=name, model=lab, **FAST[name]).edit(recolor.images()[0], **prompts, seed=42)
    assert result.image.size == (128, 128)
    assert result.image.mode == "RGB"
    assert result.nfe >= result.forward_calls > 0
    assert result.seconds > 0
    assert result.peak_memory_mb > 0
    json.dumps(result.settings)
    assert result.settings["method"] == name
    assert result.settings["seed"] == 42


@pytest.mark.parametrize("size", [(97, 130), (128, 80), (33, 41)])
def test_result_has_the_size_of_the_input_and_is_aligned_with_it(lab, recolor, prompts, size):
    from flowedit_grag.lab.render import render

    picture = Image.fromarray(render(recolor.source, size))
    result = Editor(method="reconstruct", model=lab, steps=10).edit(picture, **prompts)
    assert result.image.size == size
    back = np.asarray(lab.decode(lab.encode(picture), size), float)
    assert np.abs(np.asarray(result.image, float) - back).mean() < 3


def test_large_images_are_worked_on_at_the_models_own_area(lab, recolor, prompts):
    from flowedit_grag.lab.render import render

    result = Editor(method="sdedit", model=lab, steps=2).edit(render(recolor.source, (400, 300)), **prompts)
    assert result.image.size == (400, 300)
    assert result.settings["size"] == [148, 111]


def test_seeds_decide(lab, recolor, prompts):
    image = recolor.images()[0]
    editor = Editor(method="flowedit", model=lab, **FAST["flowedit"])
    first = editor.edit(image, **prompts, seed=1)
    editor.edit(image, **prompts, seed=2)
    again = Editor(method="flowedit", model=lab, **FAST["flowedit"]).edit(image, **prompts, seed=1)
    other = editor.edit(image, **prompts, seed=2)
    assert np.array_equal(np.asarray(first.image), np.asarray(again.image))
    assert not np.array_equal(np.asarray(first.image), np.asarray(other.image))


def test_several_targets_in_one_batch(lab, recolor):
    editor = Editor(method="flowedit", model=lab, **FAST["flowedit"])
    targets = [recolor.target_prompt, recolor.source_prompt]
    result = editor.edit(recolor.images()[0], source_prompt=recolor.source_prompt, target_prompt=targets)
    assert len(result.images) == 2
    assert result.forward_calls == 3
    single = editor.edit(recolor.images()[0], source_prompt=recolor.source_prompt, target_prompt=targets[0])
    difference = np.asarray(result.images[0], int) - np.asarray(single.images[0], int)
    assert np.abs(difference).max() <= 2


def test_sweep(lab, recolor, prompts):
    editor = Editor(method="stableflow+", model=lab, steps=3)
    image = recolor.images()[0]
    strip = editor.sweep(image, **prompts, delta=[0.5, 1.0, 2.0], seed=3)
    assert strip.delta == [0.5, 1.0, 2.0]
    assert len(strip.images) == 3
    assert strip.image.width > 4 * 128
    assert strip.forward_calls == 6 + 6  # one inversion, one batch
    single = Editor(method="stableflow+", model=lab, steps=3, grag=2.0).edit(image, **prompts, seed=3)
    assert np.abs(np.asarray(strip.images[2], int) - np.asarray(single.image, int)).max() <= 2


def test_grag_in_every_form(lab, recolor, prompts):
    forms = (1.5, (1.0, 1.5), [1, 1.5], {"delta": 1.5}, GRAG(delta=1.5))
    assert {Editor(model=lab, grag=form).method.control for form in forms} == {GRAG(1.0, 1.5)}
    assert Editor(model=lab).method.control is None


def test_generated_image_editing(lab, recolor, prompts):
    editor = Editor(method="stableflow", model=lab, steps=3)
    result = editor.generate(**prompts, seed=1, size=(96, 128))
    assert result.source.size == result.image.size == (96, 128)
    again = editor.generate(**prompts, seed=1, size=(96, 128))
    assert np.array_equal(np.asarray(again.image), np.asarray(result.image))
    with pytest.raises(InputError, match="use stableflow"):
        Editor(method="flowedit", model=lab).generate(**prompts)


def test_a_ready_method_takes_a_strength(lab):
    assert Editor(method=method("stableflow+"), model=lab, grag=1.5).method.control == GRAG(delta=1.5)


def test_vital_layers_from_the_detectors_file(lab, tmp_path):
    path = tmp_path / "vital.json"
    path.write_text(json.dumps({"vital_layers": [1, 4]}))
    assert Editor(model=lab, vital_layers=str(path)).method.vital_layers == (1, 4)
    with pytest.raises(InputError, match="cannot be read"):
        Editor(model=lab, vital_layers=str(tmp_path / "none.json"))


def test_lora_files_load_and_all_act(recolor, tmp_path):
    from diffusers import FluxPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    for name in ("a", "b"):
        flow = load("lab")
        torch.manual_seed(ord(name))
        flow.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_k"], init_lora_weights=False))
        layers = get_peft_model_state_dict(flow.transformer)
        FluxPipeline.save_lora_weights(tmp_path / name, transformer_lora_layers=layers)
    flow = load("lab", lora=[tmp_path / "a", tmp_path / "b"])
    assert set(flow.transformer.active_adapters()) == {"lora0", "lora1"}
    with pytest.raises(InputError, match="there is no adapter at"):
        load("lab", lora=tmp_path / "nowhere")


def test_a_damaged_model_is_refused(tmp_path):
    import shutil

    shutil.copytree(GOLDEN / "tiny_flux", tmp_path / "model")
    path = tmp_path / "model" / "transformer" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="is not whole"):
        load(tmp_path / "model")


def test_own_method_instances_and_classes(lab, recolor, prompts):
    ready = method("sdedit", steps=2)
    assert Editor(method=ready, model=lab).edit(recolor.images()[0], **prompts).image.size == (128, 128)
    assert Editor(method=type(ready), model=lab, steps=2).method.steps == 2


def save_as(path, image, **options):
    image.save(path, **options)
    return path


def kinds_of_pictures(folder):
    scene = Image.open(GOLDEN / "source_128.png").convert("RGB")
    alpha = scene.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(scene.size))
    deep = Image.fromarray(np.asarray(scene.convert("L"), np.uint16) * 257)
    turned = scene.resize((64, 128))
    exif = turned.getexif()
    exif[0x0112] = 6  # rotate by 90 degrees to show
    yield "cmyk.jpg", save_as(folder / "cmyk.jpg", scene.convert("CMYK")), (128, 128)
    yield "deep.png", save_as(folder / "deep.png", deep), (128, 128)
    yield "alpha.png", save_as(folder / "alpha.png", alpha), (128, 128)
    yield "palette.png", save_as(folder / "palette.png", scene.convert("P")), (128, 128)
    yield "turned.jpg", save_as(folder / "turned.jpg", turned, exif=exif), (128, 64)
    yield "array", np.asarray(scene), (128, 128)
    yield "grey", scene.convert("L"), (128, 128)


def test_pictures_of_every_kind(lab, prompts, tmp_path):
    editor = Editor(method="sdedit", model=lab, steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # none of them is a lab scene
        for name, picture, size in kinds_of_pictures(tmp_path):
            assert editor.edit(picture, **prompts).image.size == size, name


def test_sixteen_bits_keep_their_contrast():
    from flowedit_grag.backbone.image import read_image

    deep = Image.fromarray(np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32))
    assert np.ptp(np.asarray(read_image(deep))) == 255
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert np.asarray(read_image(clear)).min() == 255


def bad_pictures(folder):
    scene = Image.open(GOLDEN / "source_128.png")
    whole = (GOLDEN / "source_128.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")
    frames = [scene.convert("P"), scene.rotate(90).convert("P")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")
    yield folder / "missing.png", "no image at"
    yield folder / "cut.png", "complete"
    yield folder / "text.png", "not an image"
    yield folder / "empty.png", "not an image"
    yield folder / "moving.gif", "animated"
    yield folder / "dot.png", "1x1; at least 16"
    yield folder / "huge.png", "scale it down"
    yield folder, "cannot be read"
    yield np.zeros((3, 128, 128)), r"\[H, W, 3\] or \[H, W, 4\], not \[3, 128, 128\]"
    yield 7, "must be a path"


def test_bad_pictures_say_what_is_wrong(lab, prompts, tmp_path):
    editor = Editor(method="sdedit", model=lab, steps=1)
    for picture, words in bad_pictures(tmp_path):
        with pytest.raises(InputError, match=words) as caught:
            editor.edit(picture, **prompts)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_prompt": " "}, "source prompt is empty"),
        ({"target_prompt": ""}, "target prompt is empty"),
        ({"target_prompt": []}, "target prompt is empty"),
        ({"target_prompt": "a zebra on the left on a sky background"}, "'zebra'.*its words are: .*star"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_prompts_and_seeds(lab, recolor, prompts, change, words):
    with pytest.raises(InputError, match=words):
        Editor(method="sdedit", model=lab, steps=1).edit(recolor.images()[0], **{**prompts, **change})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "flowedt"}, "did you mean 'flowedit'"),
        ({"model": "labb"}, "did you mean 'lab'"),
        ({"model": "."}, "no model_index.json"),
        ({"grag": float("nan")}, "delta"),
        ({"grag": (1, -2)}, "delta"),
        ({"grag": "strong"}, "grag must be"),
        ({"method": "sdedit", "grag": 1.1}, "these have: flowedit, stableflow, stableflow\\+"),
        ({"stepz": 3}, "did you mean 'steps'"),
        ({"device": "cuda"}, "no cuda device"),
        ({"device": "gpu"}, "unknown device"),
        ({"dtype": "float31"}, "did you mean 'float32'"),
        ({"quantization": "bitsandbites_4bit"}, "did you mean 'bitsandbytes_4bit'"),
        ({"attention_backend": "flesh"}, "did you mean 'flash'"),
        ({"method": ":x"}, "cannot import"),
        ({"method": "os:getcwd"}, "is no method"),
        ({"solver": "os:getcwd"}, "is no solver"),
        ({"offload": "modle"}, "did you mean 'model'"),
        ({"offload": "model", "device": "cpu"}, "moves networks off a GPU"),
    ],
)
def test_bad_choices(given, words):
    if given.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match=words):
        Editor(**given)


def test_vital_layers_out_of_range(lab, recolor, prompts):
    with pytest.raises(InputError, match="0 to 11"):
        Editor(model=lab, steps=2, vital_layers=(0, 57)).edit(recolor.images()[0], **prompts)


def test_a_photo_is_warned_about_and_a_scene_is_not(lab, recolor, prompts):
    from skimage.data import astronaut

    editor = Editor(method="sdedit", model=lab, steps=1)
    with pytest.warns(UserWarning, match="does not look like a scene of the lab.*FLUX.1-dev"):
        editor.edit(astronaut(), **prompts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        editor.edit(recolor.images()[0], **prompts)


def test_out_of_memory_says_what_lowers_it(lab, recolor, prompts, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(lab.transformer), "forward", full)
    with pytest.raises(InputError, match="offload='model'"):
        Editor(method="sdedit", model=lab, steps=1).edit(recolor.images()[0], **prompts)


def test_stock_pipeline_loads_the_lab(recolor):
    from diffusers import FluxPipeline

    from flowedit_grag.embedded import MODELS

    pipeline = FluxPipeline.from_pretrained(MODELS["lab"])
    pipeline.set_progress_bar_config(disable=True)
    (image,) = pipeline(
        recolor.source_prompt, height=128, width=128, num_inference_steps=2, max_sequence_length=48
    ).images
    assert image.size == (128, 128)
    config = pipeline.transformer.config
    assert config.guidance_embeds
    assert config.num_layers >= 4
    assert config.num_single_layers >= 8
    assert pipeline.vae.config.latent_channels == 16
    size = sum(path.stat().st_size for path in MODELS["lab"].rglob("*") if path.is_file())
    assert size <= 40e6


def test_condition_and_latents(lab, recolor):
    condition = lab.condition(recolor.source_prompt)
    assert condition.embeds.shape == (1, 48, 128)
    assert condition.pooled.shape == (1, 64)
    latents = lab.encode(np.zeros((100, 70, 3), np.uint8))
    assert latents.shape == (1, 16, 14, 10)
    assert latents.dtype == torch.float32
    assert lab.decode(latents, (70, 100)).size == (70, 100)
    assert lab.decode(latents, (700, 1000)).size == (700, 1000)
    with pytest.raises(InputError, match="a row at a time"):
        lab.decode(torch.cat([latents, latents]))
    with pytest.raises(InputError, match="steps"):
        lab.schedule(0, latents)


def test_bfloat16_model(recolor, prompts):
    flow = load("lab", dtype="bfloat16")
    result = Editor(method="flowedit", model=flow, **FAST["flowedit"]).edit(recolor.images()[0], **prompts)
    assert result.settings["dtype"] == "bfloat16"
