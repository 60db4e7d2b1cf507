"""Where pictures go: nothing that is there is lost, and what cannot be written is said before a model is loaded."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import GOLDEN
from forked import forked
from PIL import Image, PngImagePlugin

from flowedit_grag import Editor, files, image_file
from flowedit_grag.cli import main, output
from flowedit_grag.errors import InputError

EDIT = [
    "edit",
    "--source-prompt",
    "a",
    "--target-prompt",
    "b",
    "--model",
    str(GOLDEN / "tiny_flux"),
    "--method",
    "sdedit",
]
LONG = "x" * 246 + ".png"  # 250 characters


def typed(monkeypatch, capsys, *words):
    """The exit code and what was said, on stdout and on stderr."""
    monkeypatch.setattr(sys, "argv", ["flowedit-grag", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main.run()
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """A picture in the current folder, and ways to name it."""
    monkeypatch.chdir(tmp_path)
    Image.open(GOLDEN / "source_128.png").resize((32, 32)).save("photo.png")
    os.symlink("photo.png", "link.png")
    os.link("photo.png", "hard.png")
    os.mkdir("folder")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("name", ["photo.png", "./photo.png", "folder/../photo.png", "link.png", "hard.png"])
@pytest.mark.parametrize("command", ["edit", "sweep"])
def test_the_input_is_never_written_over(photo, monkeypatch, capsys, command, name):
    before = photo.read_bytes()
    code, _, said = typed(monkeypatch, capsys, command, photo, *EDIT[1:5], "-o", name, "--overwrite")
    assert (code, said.count("\n")) == (2, 1)
    assert "is the picture that is worked from" in said
    assert photo.read_bytes() == before


def test_a_file_that_is_there_is_kept(photo, monkeypatch, capsys):
    (out := photo.with_name("out.png")).write_text("mine")
    words = [EDIT[0], photo, *EDIT[1:], "steps=1", "-o", out]
    code, _, said = typed(monkeypatch, capsys, *words)
    assert code == 2
    assert "give --overwrite" in said
    assert out.read_text() == "mine"
    assert typed(monkeypatch, capsys, *words, "--overwrite")[0] == 0
    assert Image.open(out).size == (32, 32)


def test_so_are_the_files_beside_it(photo, monkeypatch, capsys):
    (record := photo.with_name("out.record.json")).write_text("mine")
    words = ["edit", photo, "--instruction", "x", "--early-filter", "2x1", "--keep-record", "-o", "out.png"]
    code, _, said = typed(monkeypatch, capsys, *words)
    assert code == 2
    assert "out.record.json is there already" in said
    assert record.read_text() == "mine"


def test_what_came_there_meanwhile_is_kept_too(tmp_path, tiny):
    result = Editor("sdedit", tiny, steps=2).edit(
        Image.new("RGB", (32, 32)), source_prompt="a cat", target_prompt="a dog"
    )
    (out := tmp_path / "out.png").write_text("mine")
    (tmp_path / "out-2.png").write_text("mine")
    assert output.saved(result, out, overwrite=False) == tmp_path / "out-3.png"
    assert out.read_text() == (tmp_path / "out-2.png").read_text() == "mine"
    assert output.saved(result, out, overwrite=True) == out
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: output.saved(result, tmp_path / "race.png", overwrite=False), range(8)))
    assert len(set(made)) == 8
    assert all(path.exists() for path in made)


@pytest.mark.parametrize("place", ["nothere/../photo.png", "nothere/deeper/../../photo.png"])
def test_a_folder_to_be_made_hides_no_picture(photo, monkeypatch, capsys, place):
    before = photo.read_bytes()
    words = ["edit", photo.name, "--source-prompt", "a", "--target-prompt", "b", "--overwrite", "-o"]
    monkeypatch.chdir(photo.parent)
    code, _, said = typed(monkeypatch, capsys, *words, place.replace("photo.png", photo.name))
    assert code == 2
    assert "is the picture that is worked from" in said
    assert photo.read_bytes() == before
    assert not (photo.parent / "nothere").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 300 + ".png", "File name too long"),
        ("y" * 300 + "/out.png", "File name too long"),
        ("z/" * 2500 + "out.png", "File name too long"),
        ("photo.png/out.png", "Not a directory"),
        ("out.gif", "does not end in"),
        ("out", "does not end in"),
        ("folder", "is a folder"),
        ("wide.webp", "WEBP cannot hold 20000x"),
    ],
)
def test_it_is_tried_before_the_model_loads(photo, monkeypatch, capsys, name, words):
    monkeypatch.setattr("flowedit_grag.editor.load", lambda *_, **__: pytest.fail("a model was loaded"))
    image = "broad.png" if name == "wide.webp" else "photo.png"
    Image.new("RGB", (20_000, 20)).save("broad.png")
    there = sorted(os.listdir())
    code, _, said = typed(monkeypatch, capsys, "edit", image, *EDIT[1:], "-o", name)
    assert (code, said.count("\n")) == (2, 1), said
    assert words in said
    assert len(said) < 400
    assert sorted(os.listdir()) == there


def test_a_strip_too_wide_for_its_format(photo, monkeypatch, capsys):
    code, _, said = typed(monkeypatch, capsys, "sweep", photo, *EDIT[1:5], "--delta", "1:2:600", "-o", "strip.webp")
    assert code == 2
    assert "WEBP cannot hold" in said


def test_long_names_work(photo, monkeypatch, capsys):
    code, out, said = typed(monkeypatch, capsys, "edit", photo, *EDIT[1:], "steps=1", "--json", "-o", LONG)
    assert code == 0, said
    assert json.loads(out)["output"] == LONG
    assert os.path.exists(LONG)


def test_temporary_names_are_short_and_found_again(tmp_path):
    path = tmp_path / LONG
    with files.written(path) as partial:
        partial.touch()
        assert len(partial.name) < 40
        assert list(files.leftovers(path)) == list(files.leftovers(path.with_suffix(".json"))) == [partial]
        assert list(files.leftovers(tmp_path / "other.png")) == []
    assert [found.name for found in tmp_path.iterdir()] == [LONG]


def test_colour_is_kept_at_full_resolution(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (255, 0, 0), (0, 0, 255)
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "a.bmp"):
        image_file.save(Image.fromarray(pixels), tmp_path / name)
        error = np.abs(np.asarray(Image.open(tmp_path / name).convert("RGB"), int) - pixels)
        assert error.mean() < 4, name  # with halved colour: over 100
    assert Image.open(tmp_path / "a.jpg").layer[0][1:3] == (1, 1)


def test_a_disk_that_is_full_is_one_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match="No space left"):
        image_file.save(Image.new("RGB", (4, 4)), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_show_and_redo(photo, monkeypatch, capsys):
    code, _, said = typed(monkeypatch, capsys, "edit", photo, *EDIT[1:], "--seed", 4, "steps=1", "-o", "out.png")
    assert code == 0, said
    code, shown, _ = typed(monkeypatch, capsys, "show", "out.png")
    assert code == 0
    for line in ("method: sdedit", "seed: 4", "options.steps: 1", "source.path: photo.png"):
        assert line in shown.splitlines()
    facts = json.loads(typed(monkeypatch, capsys, "show", "out.png", "--json")[1])
    assert facts["request"]["source_prompt"] == "a"
    code, _, said = typed(monkeypatch, capsys, "redo", "out.png")
    assert code == 0, said
    assert "bit for bit" not in said
    assert np.array_equal(np.asarray(Image.open("redone.png")), np.asarray(Image.open("out.png")))
    for words, message in [
        (["redo", "out.png"], "redone.png is there already"),
        (["redo", "out.png", "-o", "out.png", "--overwrite"], "is the picture that is worked from"),
        (["redo", "out.png", "-o", "photo.png", "--overwrite"], "is the picture that is worked from"),
        (["redo", "out.png", "--image", "redone.png", "-o", "x.png"], "is not the picture that the source was"),
        (["redo", "photo.png", "-o", "x.png"], "does not say how it was made"),
        (["show", "nowhere.png"], "no picture at"),
    ]:
        code, out, said = typed(monkeypatch, capsys, *words)
        assert (code, out, said.count("\n")) == (2, "", 1), said
        assert message in said


def test_show_does_not_let_a_picture_steer_the_terminal(photo, monkeypatch, capsys):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("flowedit_grag", json.dumps({"flowedit_grag": {"method": "\x1b[2J\x9b\u202e\n"}}))
    Image.new("RGB", (4, 4)).save("strange.png", pnginfo=chunks)
    _, shown, _ = typed(monkeypatch, capsys, "show", "strange.png")
    assert shown == "method: \\x1b[2J\\x9b\\x202e\\x0a\n"


def test_an_edit_that_changed_nothing_is_said(photo):
    idle = ["--method", "flowedit", "steps=2", "n_max=0", "vital_layers=[0]"]
    done = forked("edit", photo, *EDIT[1:7], *idle, "-o", "out.png", "--json")
    assert done.returncode == 0, done.stderr
    assert "warning: nothing was changed" in done.stderr
    assert json.loads(done.stdout)["settings"]["unchanged"] == [0]
