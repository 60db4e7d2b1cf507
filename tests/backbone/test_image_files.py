"""Image files that cannot be edited: one sentence each, before anything large is decoded."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from flowedit_grag.backbone import image_decoding
from flowedit_grag.backbone.image import read_image
from flowedit_grag.errors import InputError

IMAGES = Path(__file__).parent / "images"
SIDE = 9000  # of 81 megapixels


def refused(path, words):
    with pytest.raises(InputError, match=words) as error:
        read_image(path)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith((".", "?"))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks, pixels=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    )


def tiff(width, height, tile):
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile, 324: 200, 325: 20}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(300)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


# Too large


@pytest.fixture
def nothing_is_decoded(monkeypatch):
    def load(image):
        pytest.fail(f"a {image.format} of {image.size} was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.mark.usefixtures("nothing_is_decoded")
@pytest.mark.parametrize(
    "content", [png(SIDE, SIDE), tiff(16, 16, SIDE), png(60_000, 60_000)], ids=["png", "tile", "vast"]
)
def test_the_header_tells_what_is_too_large(content, tmp_path):
    (tmp_path / "bomb").write_bytes(content)
    refused(tmp_path / "bomb", "9000x9000, too large to edit .at most 50,331,648 pixels|more pixels than can be read")


@pytest.mark.usefixtures("nothing_is_decoded")
def test_icons_are_refused_since_they_are_decoded_before_their_size_is_known(tmp_path):
    inside = png(SIDE, SIDE)
    entry = struct.pack("<BBBBHHII", 48, 48, 0, 0, 1, 32, len(inside), 22)
    (tmp_path / "lie.ico").write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + inside)
    refused(tmp_path / "lie.ico", "not an image that can be read; save it as PNG")


@pytest.mark.usefixtures("nothing_is_decoded")
def test_decoders_that_hold_several_copies_read_half_as_much(tmp_path):
    Image.new("L", (6000, 6000)).save(tmp_path / "large.jp2")
    refused(tmp_path / "large.jp2", "6000x6000, too large to edit .at most 25,165,824")


def test_files_that_never_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "it is not a file")
    refused("/dev/zero", "it is not a file")
    refused(tmp_path, "it is not a file")
    with (tmp_path / "sparse.webp").open("wb") as file:
        file.write(saved(Image.new("RGB", (8, 8)), "WEBP"))
        file.truncate(image_decoding.MAX_BYTES + 1)
    refused(tmp_path / "sparse.webp", "a file of .* bytes, too large")


@pytest.mark.timeout(20)
def test_pages_without_end(tmp_path):
    page = tiff(1, 1, 16)
    entries = page[8 : 8 + 2 + 12 * 10]
    offsets = (8 + (len(entries) + 4) * number for number in range(1, 200_000))
    (tmp_path / "pages.tif").write_bytes(page[:8] + b"".join(entries + struct.pack("<I", at) for at in offsets))
    refused(tmp_path / "pages.tif", "has several pages; save one page as PNG")


def test_text_that_unpacks_to_too_much(tmp_path):
    text = zlib.compress(bytes(50_000_000))
    for kind, head in ((b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")):
        (tmp_path / "a.png").write_bytes(png(1, 1, chunk(kind, head + text), pixels=bytes(4)))
        refused(tmp_path / "a.png", "too large")


# Damaged, or no picture


@pytest.mark.parametrize("name", [path.name for path in sorted(IMAGES.glob("img_*.bin"))])
def test_whatever_a_decoder_raises_is_one_sentence(name):
    refused(IMAGES / name, "cannot be read|not an image that can be read|several pages")


@pytest.mark.parametrize("error", [TypeError, RuntimeError, NotImplementedError, AttributeError, KeyError, MemoryError])
def test_no_kind_of_error_gets_out_of_a_decoder(error, tmp_path, monkeypatch):
    def load(image):
        raise error("of the decoder\nand more")

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    refused(tmp_path / "a.png", "a.png cannot be read (.*of the decoder.*); if the file is complete")


@pytest.mark.parametrize("format", image_decoding.FORMATS)
def test_files_that_are_cut_short(format, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    whole = saved(Image.fromarray(values), format)
    (tmp_path / "cut").write_bytes(whole)
    assert read_image(tmp_path / "cut").size == (64, 48)
    for share in (0.02, 0.3, 0.6, 0.97):
        (tmp_path / "cut").write_bytes(whole[: int(len(whole) * share)])
        refused(tmp_path / "cut", "cannot be read|not an image")


def test_several_pages_and_frames_are_named_as_such(tmp_path):
    first, second = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "red")
    for name, words in (
        ("a.tif", "has several pages; save one page"), ("a.gif", "is animated; save one frame"),
        ("a.png", "is animated"), ("a.webp", "is animated"), ("a.avif", "is animated"),
    ):  # fmt: skip
        first.save(tmp_path / name, save_all=True, append_images=[second])
        refused(tmp_path / name, words)
    first.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[second])  # with its preview
    assert read_image(tmp_path / "phone.jpg").size == (8, 8)


def test_names_that_cannot_be(tmp_path):
    for name in ("none.png", "x" * 300, "a\0b"):
        refused(tmp_path / name, "there is no image at")
    refused(str(tmp_path / "none.png"), "there is no image at")


def test_drawings_run_no_other_program(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("ghostscript was run"))
    (tmp_path / "a.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    refused(tmp_path / "a.eps", "not an image that can be read")


def test_an_image_whose_file_is_closed(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pass
    refused(image, "the image cannot be read")
