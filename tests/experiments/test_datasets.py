"""Datasets: what they make of each benchmark's files and traps, and what they say of bad ones."""

import csv
import io
import json
import pickle
import sys

import numpy as np
import pytest
from PIL import Image

from flowedit_grag.errors import InputError
from flowedit_grag.experiments.datasets import DATASETS, dataset
from flowedit_grag.experiments.datasets.pie import from_runs
from flowedit_grag.experiments.samples import Dataset, Sample, noise_seed
from flowedit_grag.lab.splits import SPLITS, problems
from flowedit_grag.lab.tasks import TASKS

SIZE = (12, 8)  # width, height


def picture(color="red", size=SIZE, mode="RGB"):
    return Image.new(mode, size, color)


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def fails(*words, name="folder", **options):
    """Opening says all ``words``, in one sentence."""
    with pytest.raises(InputError) as error:
        dataset(name, **options)
    said(error, *words)


def said(error, *words):
    message = str(error.value)
    assert message.endswith((".", "?"))
    assert "\n" not in message
    for word in words:
        assert word in message


# By name


def test_names():
    assert set(DATASETS) == {"lab", "pie", "emu", "magicbrush", "folder"}
    fails("did you mean 'magicbrush'", name="magicbrsh")
    fails("did you mean 'path'", name="pie", pathe="x")
    fails("needs the option 'path'", name="pie")
    fails("did you mean 'validation'", name="lab", split="validaton")
    fails("per_task", "whole number", name="lab", per_task=1.5)
    fails("per_task must be from 1 to", "not 0", name="lab", per_task=0)
    fails("no dataset", name="pathlib:Path")


def test_ids_are_safe_file_names():
    def named(*ids):
        return Dataset("mine", tuple(Sample(id=id, image=picture, instruction="go") for id in ids))

    assert len(named("a", "a b", "é.1", "000")) == 4
    for id in ("../../x", "a/b", "a\\b", "..", ".hidden", "", "a\n", "c:", "x" * 121, "x.", "\ud800"):
        with pytest.raises(InputError, match="cannot be the name of a file"):
            named(id)
    for twice in (("a", "a"), ("cat", "Cat"), ("\u00e9", "e\u0301")):
        with pytest.raises(InputError, match="twice"):
            named(*twice)
    with pytest.raises(InputError, match="no samples"):
        named()
    with pytest.raises(InputError, match="neither"):
        Dataset("mine", (Sample(id="a", image=picture),))
    with pytest.raises(InputError, match="no 'b' before it"):
        Dataset("mine", (Sample(id="a", image=picture, instruction="go", previous="b"),))


# The lab


def test_lab():
    samples = dataset("lab", per_task=2)
    assert [sample.task for sample in samples] == [*TASKS, *TASKS]  # a first few have all tasks
    first = samples[0]
    source, target, mask = first.edit.images()
    assert np.array_equal(first.image(), source)
    assert np.array_equal(first.truth(), target)
    assert np.array_equal(first.mask(), mask)
    assert first.instruction == problems("validation", 1)[0].instruction
    assert first.source_prompt != first.target_prompt
    assert all(sample.previous is None for sample in samples)


def test_lab_ids_name_the_same_problem_however_many_there_are():
    few, many = dataset("lab", per_task=1), {sample.id: sample for sample in dataset("lab", per_task=3)}
    assert all(many[sample.id].edit == sample.edit for sample in few)
    assert dataset("lab", per_task=1, split="test")[0].edit != few[0].edit


def test_splits_share_no_id_and_so_no_noise():
    ids = {split: {sample.id for sample in dataset("lab", per_task=3, split=split)} for split in SPLITS}
    assert not ids["validation"] & ids["test"]
    seeds = [noise_seed(0, id) for of_split in ids.values() for id in of_split]
    assert len(set(seeds)) == len(seeds)


def test_samples_can_go_to_another_process():
    sample = pickle.loads(pickle.dumps(dataset("lab", per_task=1)[3]))
    assert sample.mask().shape == np.asarray(sample.image()).shape[:2]


# PIE-Bench

ENTRY = {
    "image_path": "6_color/1.jpg", "original_prompt": "a [red] hat", "editing_prompt": "a [blue] hat",
    "editing_instruction": "make it blue", "editing_type_id": "6", "blended_word": "", "mask": [26, 3],
}  # fmt: skip


@pytest.fixture
def pie(tmp_path):
    def build(text=None, **changes):
        (tmp_path / "annotation_images/6_color").mkdir(parents=True, exist_ok=True)
        picture().save(tmp_path / "annotation_images/6_color/1.jpg")
        entries = {changes.pop("id", "600000000000"): {**ENTRY, **changes}}
        (tmp_path / "mapping_file.json").write_text(text or json.dumps(entries))
        return tmp_path

    return build


def test_pie(pie):
    (sample,) = dataset("pie", path=pie())
    assert (sample.id, sample.task) == ("600000000000", "change color")
    assert (sample.source_prompt, sample.target_prompt) == ("a red hat", "a blue hat")  # brackets are gone
    assert sample.instruction == "make it blue"
    assert sample.truth is None
    assert sample.image().size == SIZE
    inside = sample.mask()[1:-1, 1:-1]
    assert inside.sum() == 3
    assert inside[1, 1:4].all()  # pixel 26 is in row 2, column 2: rows of 12


def by_loops(runs, size):
    """What the published decoder does, pixel by pixel, on any size."""
    width, height = size
    flat = np.zeros(width * height, bool)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        for offset in range(min(length, len(flat) - start)):
            flat[start + offset] = True
    mask = flat.reshape(height, width)
    for row in range(height):
        for column in range(width):
            mask[row, column] |= row in (0, height - 1) or column in (0, width - 1)
    return mask


@pytest.mark.parametrize("runs", [[], [0, 96], [14, 5, 40, 1, 17, 4], [90, 1000], [30, 0]])
def test_pie_masks_are_the_published_ones(runs):
    assert np.array_equal(from_runs(runs, SIZE, "x"), by_loops(runs, SIZE))


def test_pie_masks_have_a_frame_even_if_empty(pie):
    (sample,) = dataset("pie", path=pie(mask=[]))
    assert sample.mask().sum() == 2 * 12 + 2 * 6


def test_pie_refuses_masks_that_the_published_decoder_misreads(pie):
    for mask in ([26], [26, 3, 30], [-5, 3], [1.5, 2], "26 3", None, [[26, 3]], [True, 1]):
        fails("600000000000", "list of whole numbers", name="pie", path=pie(mask=mask))
    (sample,) = dataset("pie", path=pie(mask=[96, 1]))
    with pytest.raises(InputError, match="run at 96, but the image only 96 pixels"):
        sample.mask()


def test_pie_bad_input(pie, tmp_path):
    fails("after a form", name="pie", path=tmp_path / "nowhere")
    fails("not JSON", "line 1", name="pie", path=pie("{"))
    fails("map ids", name="pie", path=pie("[]"))
    fails("must be an entry", name="pie", path=pie('{"1": 2}'))
    twice = f'{{"1": {json.dumps(ENTRY)}, "1": {json.dumps(ENTRY)}}}'  # json would keep the last
    fails("'1' twice", name="pie", path=pie(twice))
    fails("../../x", name="pie", path=pie(id="../../x"))
    fails("no image at", "2.jpg", name="pie", path=pie(image_path="2.jpg"))
    for name in ("../../../etc/passwd.png", "6_color/../../1.jpg", str(tmp_path / "1.jpg")):
        picture().save(tmp_path / "1.jpg")
        fails("600000000000", "leads out of", "annotation_images", name="pie", path=pie(image_path=name))
    fails("has no image_path", "it has mask", name="pie", path=pie('{"1": {"mask": []}}').resolve())
    fails("'0' to '9', not '10'", name="pie", path=pie(editing_type_id="10"))
    fails("editing_prompt must be text, not 3", name="pie", path=pie(editing_prompt=3))


# Tables


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Write rows as a parquet file: pictures as the hub stores them."""
    datasets, pa = pytest.importorskip("datasets"), pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def write(rows, name="data/test-00000-of-00001.parquet"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        cells = [{key: cell(value) for key, value in row.items()} for row in rows]
        parquet.write_table(pa.Table.from_pylist(cells), file)
        return file

    def cell(value):
        stored = png(value) if isinstance(value, Image.Image) else value
        return {"bytes": stored, "path": None} if isinstance(stored, bytes) else value

    return write


def emu_row(idx, before="a cat", after="a dog", **changes):
    row = {"idx": idx, "task": "local", "split": "test", "hash": str(idx), "instruction": "make it a dog",
           "input_caption": before, "output_caption": after, "image": picture()}  # fmt: skip
    return {**row, **changes}


def test_emu_leaves_out_what_cannot_be_scored(table):
    rows = [
        emu_row(7),
        emu_row(8, "a cat", "A  cat."),
        emu_row(9, "a train station in city", "a dog"),
        emu_row(10, "a cat", ""),
        emu_row(11, "a cat", None),
        emu_row(12, image=b"no picture"),
    ]
    samples = dataset("emu", path=table(rows))
    assert [sample.id for sample in samples] == ["7", "12"]
    assert samples.left_out == (
        ("8", "identical captions"),
        ("9", "placeholder caption"),
        ("10", "missing caption"),
        ("11", "missing caption"),
    )
    first, damaged = pickle.loads(pickle.dumps(samples.samples))
    assert (first.source_prompt, first.target_prompt, first.task) == ("a cat", "a dog", "local")
    assert first.truth is None
    assert first.mask is None
    assert first.image().size == SIZE
    with pytest.raises(InputError) as error:  # only now: pictures are not read before
        damaged.image()
    said(error, "row 5", "image is not an image that can be read")


def test_split_of_a_folder(table, tmp_path):
    table([emu_row(1)])
    table([emu_row(2)], "data/validation-00000-of-00001.parquet")
    assert [sample.id for sample in dataset("emu", path=tmp_path / "data")] == ["1"]
    fails("no dev-*.parquet", name="emu", path=tmp_path / "data", split="dev")


def test_tables_bad_input(table, tmp_path, monkeypatch):
    import datasets

    short = emu_row(1)
    del short["output_caption"], short["image"]
    fails("has no output_caption, image; it has idx", name="emu", path=table([short], "a.parquet"))
    fails("holds no pictures", name="emu", path=table([emu_row(1, image=3)], "b.parquet"))
    fails("'1' twice", name="emu", path=table([emu_row(1), emu_row(1)], "c.parquet"))
    fails("no samples that can be used (1 left out)", name="emu", path=table([emu_row(1, "x", "x")], "d.parquet"))
    picture().save(tmp_path / "own.png")  # of whoever reads the table
    elsewhere = emu_row(1, image={"bytes": None, "path": str(tmp_path / "own.png")})
    (sample,) = dataset("emu", path=table([elsewhere], "f.parquet"))
    with pytest.raises(InputError, match="row 0: image is a path; only tables that hold their pictures"):
        sample.image()
    broken = tmp_path / "e.parquet"
    broken.write_bytes(b"PAR1 and nothing more")
    fails("e.parquet", "cannot be read", name="emu", path=broken)

    def unreachable(*args, **kwargs):
        raise ConnectionError("no network\nand a page more")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    fails("'osunlp/MagicBrush' cannot be read (no network)", name="magicbrush")
    monkeypatch.setitem(sys.modules, "datasets", None)
    fails("pip install 'flowedit-grag[eval]'", name="magicbrush")


# MagicBrush


def hole(size=SIZE):
    """A picture whose left half is transparent."""
    alpha = np.full(size[::-1], 255, np.uint8)
    alpha[:, : size[0] // 2] = 0
    image = picture("white", size)
    image.putalpha(Image.fromarray(alpha))
    return image


def turn(image, number, **changes):
    row = {"img_id": image, "turn_index": number, "instruction": f"step {number}", "source_img": picture("red"),
           "mask_img": hole((24, 16)), "target_img": picture("blue")}  # fmt: skip
    return {**row, **changes}


ROWS = [turn("9", 2), turn("7", 1), turn("9", 1), turn("9", 3)]  # in no order


def test_magicbrush_single_turn(table):
    samples = dataset("magicbrush", path=table(ROWS))
    assert [sample.id for sample in samples] == ["9-1", "9-2", "9-3", "7-1"]
    assert all(sample.previous is None for sample in samples)
    second = samples[1]
    assert (second.instruction, second.task, second.turn) == ("step 2", "turn 2", 2)
    assert second.target_prompt is None
    assert second.truth().getpixel((0, 0)) == (0, 0, 255)
    mask = second.mask()  # transparent is what may change; twice as large on disk
    assert mask.shape == SIZE[::-1]
    assert mask[:, :6].all()
    assert not mask[:, 6:].any()


def test_magicbrush_multi_turn_edits_its_own_results(table):
    samples = dataset("magicbrush", path=table(ROWS), turns="multi")
    assert [(sample.id, sample.previous) for sample in samples] == [
        ("9-1", None), ("9-2", "9-1"), ("9-3", "9-2"), ("7-1", None)
    ]  # fmt: skip
    assert all(sample.image().getpixel((0, 0)) == (255, 0, 0) for sample in samples if sample.previous is None)


def test_magicbrush_bad_input(table):
    fails("turns of '9' are [1, 3]", name="magicbrush", path=table([turn("9", 1), turn("9", 3)]))
    fails("turns of '9' are [1, 1]", name="magicbrush", path=table([turn("9", 1), turn("9", 1)], "b.parquet"))
    fails("must be a whole number", name="magicbrush", path=table([turn("9", None)], "c.parquet"))
    fails("../x", name="magicbrush", path=table([turn("../x", 1)], "d.parquet"))
    opaque = turn("1", 1, mask_img=picture("black"))
    missing = turn("2", 1, mask_img=None)
    damaged = turn("3", 1, mask_img=png(hole())[:60])
    first, second, third = dataset("magicbrush", path=table([opaque, missing, damaged], "e.parquet"))
    with pytest.raises(InputError, match="row 0: the mask has no transparent part"):
        first.mask()
    with pytest.raises(InputError, match="row 1: there is no mask_img"):
        second.mask()
    with pytest.raises(InputError, match="row 2: mask_img cannot be read"):
        third.mask()


@pytest.fixture
def release(tmp_path):
    """What MagicBrush's authors hand out: the picture is half as large as the results."""
    folder = tmp_path / "unpacked" / "test"
    turns = [{"input": f"7-{before}.png", "mask": f"7-mask{n}.png", "output": f"7-output{n}.png",
              "instruction": f"step {n}"} for n, before in ((1, "input"), (2, "output1"))]  # fmt: skip
    (folder / "images" / "7").mkdir(parents=True)
    for name, image in (
        ("input", picture("red")), ("mask1", hole()), ("output1", picture("blue", (24, 16))),
        ("mask2", hole((24, 16))), ("output2", picture("green", (24, 16))),
    ):  # fmt: skip
        image.save(folder / "images" / "7" / f"7-{name}.png")
    (folder / "edit_sessions.json").write_text(json.dumps({"7": turns}))
    (folder / "local_descriptions.json").write_text(json.dumps({"7": {"7-output1.png": "a blue wall"}}))
    return folder


def test_magicbrush_as_its_authors_hand_it_out(release):
    for path in (release, release.parent):
        first, second = dataset("magicbrush", path=path, split="test")
        assert [first.id, second.id] == ["7-1", "7-2"]
        assert (first.instruction, first.target_prompt, second.target_prompt) == ("step 1", "a blue wall", None)
        assert second.image().size == first.truth().size == (24, 16)
        assert first.mask().shape == SIZE[::-1]
        assert second.truth().getpixel((0, 0)) == picture("green").getpixel((0, 0))
    assert dataset("magicbrush", path=release, turns="multi")[1].previous == "7-1"


def test_magicbrush_as_its_authors_hand_it_out_bad_input(release):
    sessions = release / "edit_sessions.json"
    turns = json.loads(sessions.read_text())["7"]

    def refused(*words, content):
        sessions.write_text(content if isinstance(content, str) else json.dumps(content))
        fails("edit_sessions.json", *words, name="magicbrush", path=release)

    refused("is not JSON", content="{")
    refused("must have an object", content=[])
    refused("'7' is not a list of turns", content={"7": turns[0]})
    short = {"input": "x", "output": "y", "instruction": "z"}
    refused("'7', turn 2 has no mask; it has", content={"7": [turns[0], short]})
    refused("'7', turn 1: instruction is empty", content={"7": [{**turns[0], "instruction": " "}]})
    refused("there is no image at", "7-output9.png", content={"7": [{**turns[0], "output": "7-output9.png"}]})
    refused("there is no image at", content={"7": [{**turns[0], "output": "../../../../secret.png"}]})


# A folder of one's own


@pytest.fixture
def folder(tmp_path):
    for name in ("cat.png", "dog.png", "truth.png"):
        picture().save(tmp_path / name)
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[2:4, 3:5] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def jsonl(folder, *lines):
    file = folder / "prompts.jsonl"
    file.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    )
    return file


def rows(folder, *lines, encoding="utf-8"):
    file = folder / "prompts.csv"
    with file.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream).writerows(lines)
    return file


def test_folder_of_jsonl(folder):
    full = {"id": "one", "image": "cat.png", "source_prompt": "a cat", "target_prompt": "a dog\u2028in two lines",
            "instruction": " change it ", "mask": "mask.png", "truth": "truth.png", "task": "animals"}  # fmt: skip
    jsonl(folder, full, "", {"image": "dog.png", "instruction": "make it a cat", "mask": None})
    first, second = dataset("folder", path=folder)
    assert (first.id, second.id) == ("one", "dog")
    assert (first.source_prompt, first.instruction, first.task) == ("a cat", "change it", "animals")
    assert first.mask().sum() == 4
    assert first.mask()[2, 3]
    assert first.image().size == first.truth().size == SIZE
    assert (second.mask, second.truth, second.target_prompt, second.task) == (None, None, None, "")


def test_folder_of_csv_from_a_spreadsheet(folder):
    file = rows(folder, ("image", "target_prompt"), ("cat.png", 'a "dog", big'), ("dog.png", "é"), encoding="utf-8-sig")
    assert [(sample.id, sample.target_prompt) for sample in dataset("folder", path=file)] == [
        ("cat", 'a "dog", big'),
        ("dog", "é"),
    ]


def test_folder_lists_that_cannot_be_read(folder):
    good = {"image": "cat.png", "instruction": "go"}
    fails("one .csv or .jsonl file, not none", path=folder)
    fails("line 2 is not JSON (Expecting value)", path=jsonl(folder, good, '{"image": '))
    fails("line 1 is not like", path=jsonl(folder, "[]"))
    fails("has no image; it has instruction", path=jsonl(folder, {"instruction": "go"}))
    fails("line 1", "neither target_prompt nor instruction", "image", path=jsonl(folder, {"image": "cat.png"}))
    fails("did you mean 'target_prompt'", path=jsonl(folder, {**good, "target_promt": "x"}))
    fails("instruction must be text, not 5", path=jsonl(folder, {**good, "instruction": 5}))
    fails("id 'cat'", "neither", path=jsonl(folder, {**good, "instruction": " "}))
    fails("no samples", path=jsonl(folder))
    fails("line 3 does not have 2 fields", path=rows(folder, ("image", "instruction"), ("cat.png", "a"), ("dog.png",)))
    fails("line 2 does not have 2 fields", path=rows(folder, ("image", "instruction"), ("cat.png", "a", "b")))
    fails("has no image; it has nothing", path=rows(folder))
    fails("a column twice", path=rows(folder, ("image", "instruction", "image"), ("cat.png", "a", "dog.png")))
    fails("not prompts.csv, prompts.jsonl", path=folder)
    (folder / "prompts.csv").write_text('image,instruction\ncat.png,"never closed')
    fails("line 2 is not CSV", path=folder / "prompts.csv")
    (folder / "prompts.csv").write_bytes(b"image,instruction\ncat.png,\xff")
    fails("prompts.csv cannot be read", path=folder / "prompts.csv")
    fails("cannot be read", path=folder / "none.csv")
    fails("neither a folder nor", path=folder / "cat.png")


def test_folder_refuses_ids_that_are_no_file_names_or_twice(folder):
    good = {"image": "cat.png", "instruction": "go"}
    fails("../../x", "name of a file", path=jsonl(folder, {**good, "id": "../../x"}))
    fails("line 2: the id 'cat' is there twice", path=jsonl(folder, good, good))
    (folder / "Cat.png").write_bytes((folder / "cat.png").read_bytes())
    fails("'cat' twice, the second time as 'Cat'", path=jsonl(folder, good, {**good, "image": "Cat.png"}))
    assert len(dataset("folder", path=jsonl(folder, good, {**good, "id": "again"}))) == 2


def test_folder_with_bad_pictures(folder):
    def mask(name):
        return dataset("folder", path=jsonl(folder, {"image": "cat.png", "instruction": "go", "mask": name}))[0].mask

    fails("line 1: there is no image at", "bird.png", path=jsonl(folder, {"image": "bird.png", "instruction": "go"}))
    fails("no image at", "x.png", path=jsonl(folder, {"image": "cat.png", "instruction": "go", "mask": "x.png"}))
    (folder / "below").mkdir()
    picture().save(folder / "below" / "bird.png")
    for column in ("image", "mask", "truth"):
        for name in ("../secret.png", str(folder / "cat.png"), "below/../../secret.png"):
            line = {"image": "cat.png", "instruction": "go", column: name}
            fails("line 1: ", name, "leads out of", path=jsonl(folder, line))
    assert len(dataset("folder", path=jsonl(folder, {"image": "below/bird.png", "instruction": "go"}))) == 1
    picture(size=(9, 9)).save(folder / "small.png")
    Image.fromarray(np.eye(8, 12, dtype=np.uint8)).save(folder / "dark.png")
    (folder / "broken.png").write_bytes((folder / "mask.png").read_bytes()[:45])
    hole = picture().convert("RGBA")
    hole.putpixel((3, 3), (0, 0, 0, 0))
    hole.save(folder / "hole.png")
    entry = {"image": "cat.png", "instruction": "go", "truth": "broken.png"}
    fails("line 1:", "broken.png", path=jsonl(folder, entry))
    for name, why in (
        ("small.png", r"line 1: the mask .*small.png is 9x9, but its image 12x8"),
        ("dark.png", r"line 1: the mask .*dark.png is nearly black"),
        ("hole.png", r"line 1: the mask .*hole.png has transparent parts"),
        ("broken.png", r"line 1: .*broken.png (cannot be read|is not an image)"),
    ):
        with pytest.raises(InputError, match=why):  # when it is opened: before an edit is paid for
            mask(name)
    picture("black").save(folder / "black.png")
    assert not mask("black.png")().any()
