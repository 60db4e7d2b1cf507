"""Pictures that say how they were made, and are made again."""

import json
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from conftest import GOLDEN
from PIL import Image, PngImagePlugin

from flowedit_grag import EarlyFilter, Editor, InputError, method, read_settings, redo
from flowedit_grag.guidance.attention_weight import AttentionWeight
from flowedit_grag.image_metadata import KEY
from flowedit_grag.judges import Verdict

TINY, FILL = GOLDEN / "tiny_flux", GOLDEN / "tiny_flux_fill"
CAPTIONS = {"source_prompt": "a red star", "target_prompt": "a blue star"}


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.open(GOLDEN / "source_128.png").convert("RGB").crop((30, 30, 94, 78)).save(path)
    return path


def same(one, other):
    with Image.open(one) as a, Image.open(other) as b:
        return a.mode == b.mode and np.array_equal(np.asarray(a), np.asarray(b))


def likes_the_second(instruction, original, first, second):
    return Verdict(2, "it is the second")


def edits(photo):
    """What -> a result of every kind, and which of its pictures is saved."""
    captions = dict(CAPTIONS, seed=3)
    two = dict(captions, target_prompt=["a blue star", "a green star"])
    stable = Editor("stableflow+", TINY, steps=np.int64(2), solver="fireflow", vital_layers=[0, 2])
    yield "sweep", stable.sweep(photo, **captions, delta=np.linspace(0.9, 1.2, 3, dtype=np.float32), lam=0.9), None
    yield "one of a sweep", stable.sweep(photo, **captions, delta=[0.9, 1.2]), 1
    yield "two targets", Editor("flowedit", TINY, steps=2, n_max=2, vital_layers=(0,)).edit(photo, **two), 1
    yield "generate", Editor("stableflow", TINY, steps=2, vital_layers=(0,), grag=(0.9, 1.1)).generate(
        **captions, size=(48, 64)
    ), None  # fmt: skip
    dial = {"name": "attention_weight", "gamma": 2}
    yield "dial", Editor("flowedit", TINY, steps=2, n_max=1, dial=dial, vital_layers=(0,)).edit(photo, **captions), None
    ready = method("sdedit", steps=2, true_cfg=1.5, negative_prompt="grey")
    yield "ready method", Editor(ready, TINY, dtype="bfloat16").edit(photo, **captions), None
    controls = [None, AttentionWeight(2.0)]
    yield "controls", Editor("flowedit", TINY, steps=2, n_max=2, vital_layers=(0,)).edit_with(
        photo, **captions, controls=controls
    ), 1  # fmt: skip
    early = EarlyFilter(seeds=3, steps=1, judge=likes_the_second, both_orders=True, resume=True)
    icedit = Editor("icedit", FILL, adapter=GOLDEN / "moe_lora", steps=2, width=64)
    yield "early filter", icedit.edit(photo, instruction="make it blue", early_filter=early), None


@pytest.mark.filterwarnings("error:.*bit for bit")
def test_every_kind_comes_out_the_same_again(photo):
    for name, result, index in edits(photo):
        first, again = photo.with_name(f"{name}.png"), photo.with_name("again.png")
        result.save(first, index)
        redone = redo(first)
        redone.save(again, index)
        assert same(first, again), name
        assert redone.settings == result.settings, name
        assert read_settings(again) == read_settings(first), name


def test_what_a_picture_says(photo):
    result = Editor("icedit", FILL, steps=1, width=64).edit(photo, instruction="make it blue", seed=5)
    for ending in ("png", "jpg", "webp", "tif"):
        result.save(path := photo.with_name(f"out.{ending}"))
        said = read_settings(path)
        assert said["kind"] == "edit"
        assert said["request"] == {"instruction": ["make it blue"], "source_prompt": None, "target_prompt": None}
        assert (said["seed"], said["method"]) == (5, "icedit")
        assert set(said["versions"]) == {"flowedit_grag", "torch", "diffusers"}
        assert said["source"]["path"] == "photo.png"
        assert len(said["source"]["sha256"]) == 64
        assert same(photo.with_name("out.png"), path) == (ending != "jpg")
    with pytest.warns(UserWarning, match="BMP cannot hold it"):
        result.save(photo.with_name("out.bmp"))


def test_a_long_record_is_left_out_of_a_jpeg_with_a_word(photo):
    result = Editor("sdedit", TINY, steps=1).edit(photo, source_prompt="a", target_prompt=["b"] * 3)
    result.settings["request"]["target_prompt"] = ["b" * 70_000]
    with pytest.warns(UserWarning, match="JPEG cannot hold it"):
        result.save(photo.with_name("out.jpg"))
    assert Image.open(photo.with_name("out.jpg")).size == (64, 48)


def test_what_lets_in_at_a_judge_is_not_written_into_a_picture(photo):
    result = Editor("sdedit", TINY, steps=1).edit(photo, **CAPTIONS)
    early = EarlyFilter(judge="openai:m@http://me:hunter2000@localhost:9/v1?key=k12345678")
    result.settings["early_filter"] = {"judge": early.judge}
    result.save(path := photo.with_name("out.png"))
    assert "m@http" in read_settings(path)["early_filter"]["judge"]
    assert not any(secret in path.read_bytes() for secret in (b"hunter2000", b"k12345678"))


@pytest.fixture
def made(photo):
    path = photo.with_name("made.png")
    Editor("sdedit", TINY, steps=1).edit(photo, **CAPTIONS).save(path)
    return path


def test_source_and_picture_may_move_together(made, photo, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in (made, photo):
        shutil.move(path, moved)
    redo(moved / "made.png").save(moved / "again.png")
    assert same(moved / "made.png", moved / "again.png")


def test_the_source_is_checked(made, photo):
    with pytest.raises(InputError, match="the picture that was edited"):
        redo(made).save(photo)
    Image.new("RGB", (64, 48)).save(photo.with_name("other.png"))
    with pytest.raises(InputError, match="is not the picture that the source was"):
        redo(made, photo.with_name("other.png"))
    photo.rename(photo.with_name("renamed.png"))
    with pytest.raises(InputError, match="the source is not at"):
        redo(made)
    redo(made, photo.with_name("renamed.png"))


def test_other_versions_are_said(made):
    with pytest.warns(UserWarning, match="made with torch '1.0'"):
        redo(changed(made, versions={"torch": "1.0"}))


def test_another_outcome_is_said(made):
    with pytest.warns(UserWarning, match="bit for bit"):
        redo(changed(made, picture="0" * 64))


def changed(path, **settings):
    """A copy with other settings."""
    return written(path.with_name("changed.png"), json.dumps({KEY: {**read_settings(path), **settings}}))


def written(path, text, zip=False):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(KEY, text, zip=zip)
    Image.new("RGB", (4, 4)).save(path, pnginfo=chunks)
    return path


def test_code_that_a_stranger_names_is_not_imported(made, tmp_path, monkeypatch):
    (tmp_path / "strange.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    stable = {"method": "stableflow", "options": {"solver": "strange:x"}}
    dial = {"method": "flowedit", "options": {"dial": {"name": "strange:X"}}}
    listed = {**dial, "options": {}, "grag": [{"name": "strange:X"}]}
    for settings in ({"method": "strange:X", "options": {}}, stable, dial, listed):
        with pytest.raises(InputError, match="give --allow-imports"):
            redo(changed(made, **settings))
    with pytest.raises(InputError, match="SystemExit: imported"):
        redo(changed(made, method="strange:X", options={}), allow_imports=True)


def test_ones_own_code_is_found_again(photo, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from flowedit_grag.inversion import SOLVERS, Solver\n"
        "from flowedit_grag.methods.sdedit import SDEdit\n"
        "from flowedit_grag.methods.reconstruct import Reconstruct\n"
        "class Mine(SDEdit): pass\n"
        "heun = Solver('heun', SOLVERS['midpoint'].step.__class__(SOLVERS['midpoint'].step.__code__, globals()), 2)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import mine

    Editor(mine.Mine, TINY, steps=1).edit(photo, **CAPTIONS).save(path := tmp_path / "own.png")
    assert read_settings(path)["method"] == "mine:Mine"
    redo(path, allow_imports=True).save(tmp_path / "again.png")
    assert same(path, tmp_path / "again.png")
    Editor("reconstruct", TINY, steps=1, solver=mine.heun).edit(photo, **CAPTIONS).save(path)
    assert read_settings(path)["options"]["solver"] == "mine:heun"
    redo(path, allow_imports=True)


HOSTILE = [
    {"method": 3},
    {"options": []},
    {"options": {"steps": "many"}},
    {"options": {"steps": [1]}},
    {"seed": -1},
    {"seed": 1.5},
    {"model": ""},
    {"model": "../../etc"},
    {"loading": {"trust_remote_code": True}},
    {"loading": {"lora": 5}},
    {"loading": {"dtype": 5}},
    {"request": {}},
    {"request": {"instruction": 5, "source_prompt": [], "target_prompt": {}}},
    {"source": None},
    {"source": {"path": 5}},
    {"source": {"sha256": "0"}},
    {"source": {"path": "/dev/zero", "sha256": "0"}},
    {"kind": "sweep"},
    {"kind": "sweep", "grag": [5]},
    {"kind": "generate"},
    {"kind": "generate", "size": [-1]},
    {"grag": "x"},
    {"kind": "x"},
    {"method": "flowedit", "options": {"vital_layers": "/dev/zero"}},
    {"early_filter": {}},
    {"early_filter": 5},
]


@pytest.mark.parametrize("settings", HOSTILE, ids=str)
def test_damaged_settings_are_refused_in_a_sentence(made, settings):
    with pytest.raises(InputError) as caught:
        redo(changed(made, **settings))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "damaged"), ("[]", "damaged"), ("{}", "damaged"), ('{"flowedit_grag": 3}', "damaged"),
        ("[" * 100_000, "damaged"), ('{"flowedit_grag": {"a": NaN}}', "damaged"), ("9" * 5000, "damaged"),
        ('{"flowedit_grag": {"a": ' + "[" * 200 + "]" * 200 + "}}", "damaged"), ("x" * 2**21, "not from here"),
    ],
    ids=range(9),
)  # fmt: skip
def test_damaged_text_is_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read_settings(written(tmp_path / "a.png", text))


def test_other_pictures_do_not_say(tmp_path, photo):
    bomb = written(tmp_path / "bomb.png", " " * 50_000_000, zip=True)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0steps: 20"
    Image.new("RGB", (4, 4)).save(tmp_path / "other.jpg", exif=exif)
    (tmp_path / "text.png").write_text("no picture")
    for path, words in [
        (photo, "does not say"), (tmp_path / "other.jpg", "does not say"), (bomb, "cannot be read as PNG"),
        (tmp_path / "text.png", "cannot be read as PNG"), (tmp_path / "nowhere.png", "no picture at"),
        (tmp_path, "no picture at"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=words):
            read_settings(path)


def test_transparency_is_kept_where_it_can_be(photo):
    whole = Image.open(photo).convert("RGBA")
    alpha = np.clip(np.arange(64) * 8 - 64, 0, 255).astype(np.uint8)[None].repeat(48, 0)
    whole.putalpha(Image.fromarray(alpha))
    whole.save(source := photo.with_name("clear.png"))
    result = Editor("flowedit", TINY, steps=2, n_max=0).edit(source, **CAPTIONS)
    for ending in ("png", "webp", "tif"):
        result.save(path := photo.with_name(f"out.{ending}"))
        kept = Image.open(path)
        assert kept.mode == "RGBA"
        assert np.array_equal(np.asarray(kept)[..., 3], alpha)
        white = Image.alpha_composite(Image.new("RGBA", kept.size, "white"), kept).convert("RGB")
        error = np.abs(np.asarray(white, int) - np.asarray(result.image, int))
        assert error[:, 40:].max() == 0  # opaque
        assert np.median(error) <= 1
    redo(photo.with_name("out.png")).save(photo.with_name("again.png"))
    assert same(photo.with_name("out.png"), photo.with_name("again.png"))
    for ending in ("jpg", "bmp"):
        with pytest.warns(UserWarning, match="holds no transparency"):
            result.save(photo.with_name(f"out.{ending}"))
        assert Image.open(photo.with_name(f"out.{ending}")).mode == "RGB"


def edited(photo):
    return Editor("sdedit", TINY, steps=2).edit(photo, **CAPTIONS)


def test_reading_in_threads_leaves_warnings_as_they_were(photo):
    made = photo.with_name("made.png")
    edited(photo).save(made)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: read_settings(made), range(400)))
    assert warnings.filters == before


def test_an_opened_picture_is_a_source_too(photo):
    result = edited(Image.open(photo))
    assert result.settings["source"]["path"] == str(photo.resolve())
    with pytest.raises(InputError, match="is the picture that was edited"):
        result.save(photo)


def test_what_a_step_cache_made_is_not_made_again(photo):
    made = photo.with_name("made.png")
    result = edited(photo)
    replace(result, settings={**result.settings, "step_cache": "FirstBlockCacheConfig"}).save(made)
    with pytest.raises(InputError, match="FirstBlockCacheConfig"):
        redo(made)


def test_a_link_to_a_picture_leads_to_its_source(photo, tmp_path):
    made, link = photo.with_name("made.png"), tmp_path / "far" / "link.png"
    edited(photo).save(made)
    link.parent.mkdir()
    link.symlink_to(made)
    assert redo(link).image.tobytes() == Image.open(made).tobytes()


def test_pictures_that_are_not_there(photo):
    with pytest.raises(InputError, match="there are 1"):
        edited(photo).save(photo.with_name("x.png"), index=5)
