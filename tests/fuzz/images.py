"""Mutated image files: read as an RGB picture, or refused in one sentence."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from flowedit_grag.backbone.image import alpha_of, read_image

TRIALS, LONGEST = 2_000, 300_000  # bytes
FORMATS = (
    "PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA", "ICO", "JPEG2000", "AVIF", "PCX", "SGI", "QOI", "DDS",
)  # fmt: skip
MODES = ("RGB", "L", "P", "RGBA", "1", "CMYK", "I;16", "F", "LA", "I", "YCbCr", "LAB")
SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".jp2", ".ico", ".avif", ".exe", "")
OPTIONS = {
    "JPEG": ({}, {"progressive": True}, {"subsampling": 0}), "WEBP": ({}, {"lossless": True}), "PNG": ({}, {"bits": 2}),
    "TIFF": ({}, *({"compression": name} for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"))),
    "TGA": ({}, {"compression": "tga_rle"}), "JPEG2000": ({}, {"tile_size": (16, 16)}), "GIF": ({}, {"interlace": 1}),
}  # fmt: skip
NUMBERS = (0, 1, 2, 255, 65535, 100_000, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def trial(rng: random.Random, folder: Path) -> None:
    """Read a mutated image, and its alpha. Raises :class:`InputError` where it is refused, and otherwise only if
    something is wrong."""
    data = _seed(rng.choice(FORMATS), rng.choice(MODES), rng.randrange(6), rng.randrange(6))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 5, 20))):
        data = rng.choice(MUTATIONS)(rng, data)[:LONGEST] if data else data
    path = folder / f"image{rng.choice(SUFFIXES)}"
    path.write_bytes(data)
    image, alpha = read_image(path), alpha_of(path)
    assert image.mode == "RGB", image.mode
    assert min(image.size) > 0, image.size
    assert not image.info, image.info
    assert alpha is None or (alpha.mode, alpha.size) == ("L", image.size)


@cache
def _seed(format: str, mode: str, option: int, extra: int) -> bytes:
    """A small file; in RGB where the format cannot hold the mode."""
    options = OPTIONS.get(format, ({},))
    for image in (_picture(mode), _picture("RGB")):
        for kept in ({**options[option % len(options)], **_extras(extra, image)}, {}):
            file = io.BytesIO()
            try:
                image.save(file, format, **kept)
            except Exception:  # of an encoder, for what its format cannot hold
                continue
            return file.getvalue()
    raise AssertionError(f"{format} cannot be written")


def _picture(mode: str) -> Image.Image:
    values = np.add.outer(np.arange(40), 3 * np.arange(56))[..., None] + np.array([0, 40, 80])
    image = Image.fromarray((values % 256).astype(np.uint8))
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        profiles = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
        return ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    if mode in ("LA", "RGBA"):
        image.putalpha(image.convert("L"))
    return image.convert(mode)


def _extras(extra: int, image: Image.Image) -> dict:
    exif = Image.Exif()
    exif[0x112], exif[0x8769] = 6, {0x9286: "words"}
    return (
        {},
        {"exif": exif},
        {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()},
        {"icc_profile": b"junk" * 40, "exif": b"Exif\0\0junk"},
        {"save_all": True, "append_images": [image.rotate(90)]},
        {"transparency": 3, "comment": b"words", "dpi": (72, 72)},
    )[extra]


# Mutations


def _truncated(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _flipped(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data) if rng.random() < 0.5 else min(len(data), 120))  # more often in the header
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def _extreme(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([rng.choice((0, 1, 127, 128, 255))]) + data[place + 1 :]


def _numbered(rng: random.Random, data: bytes) -> bytes:
    """A number of the header is another one."""
    place, value = rng.randrange(min(len(data), 120)), rng.choice(NUMBERS)
    number = struct.pack(rng.choice("<>") + "I", value) if rng.random() < 0.6 else struct.pack("<H", value & 65535)
    return data[:place] + number + data[place + len(number) :]


def _inserted(rng: random.Random, data: bytes) -> bytes:
    place, length = rng.randrange(len(data) + 1), rng.choice((1, 8, 300, 70_000))
    block = rng.randbytes(length) if rng.random() < 0.5 else data[place : place + length]
    return data[:place] + block + data[place:]


def _removed(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + data[place + rng.choice((1, 10, 1000)) :]


def _chunks(rng: random.Random, data: bytes) -> bytes:
    """A part of a PNG, WebP, JPEG or TIFF is changed, left out, repeated or moved, and the whole still has its form."""
    if data.startswith(b"\x89PNG"):
        return data[:8] + b"".join(_edited(rng, _split(data, 8, ">", 4), _png_chunk))
    if data.startswith(b"RIFF"):
        body = b"".join(_edited(rng, _split(data, 12, "<", 0), lambda part: part))
        return b"RIFF" + struct.pack("<I", len(body) + 4) + data[8:12] + body
    if data.startswith(b"\xff\xd8"):
        parts = [b"\xff" + part for part in data[2:].split(b"\xff")[1:]]
        return data[:2] + b"".join(_edited(rng, parts, lambda part: part))
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _retagged(rng, data)
    return _flipped(rng, data)


def _split(data: bytes, start: int, order: str, check: int) -> list[bytes]:
    """Chunks: PNG's length, name, body and CRC, or RIFF's name, length and body."""
    parts = []
    while start + 8 <= len(data):
        (length,) = struct.unpack_from(order + "I", data, start if check else start + 4)
        end = start + 8 + length + (check or length % 2)
        parts.append(data[start:end])
        start = end
    return parts


def _png_chunk(part: bytes) -> bytes:
    body = part[4:-4]
    return struct.pack(">I", max(0, len(body) - 4)) + body + struct.pack(">I", zlib.crc32(body))


def _edited(rng: random.Random, parts: list[bytes], closed: Callable[[bytes], bytes]) -> list[bytes]:
    if not parts:
        return parts
    at, kind = rng.randrange(len(parts)), rng.randrange(4)
    if kind == 0:
        return parts[:at] + parts[at + 1 :]
    if kind == 1:
        return [*parts[:at], *parts[at : at + 1] * rng.choice((2, 50)), *parts[at + 1 :]]
    if kind == 2:
        return rng.sample(parts, len(parts))
    change = rng.choice((_flipped, _extreme, _numbered, _inserted, _truncated))
    return [*parts[:at], closed(change(rng, parts[at])) if parts[at] else b"", *parts[at + 1 :]]


def _retagged(rng: random.Random, data: bytes) -> bytes:
    """An entry of a TIFF's directory with another tag, type, count or value."""
    order = "<" if data.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        entry = start + 2 + 12 * rng.randrange(max(1, count))
        tag, kind, number, value = struct.unpack_from(order + "HHII", data, entry)
    except struct.error:
        return data
    which, other = rng.randrange(4), rng.choice(NUMBERS)
    changed = (
        (rng.choice((258, 259, 262, 277, 278, 322, 323, 330, 339, 34675)), kind, number, value),
        (tag, rng.choice((0, 1, 2, 3, 4, 5, 7, 11, 12, 16, 99)), number, value),
        (tag, kind, other, value),
        (tag, kind, number, other),
    )[which]
    return data[:entry] + struct.pack(order + "HHII", *changed) + data[entry + 12 :]


MUTATIONS = (_truncated, _flipped, _flipped, _extreme, _numbered, _inserted, _removed, _chunks, _chunks, _chunks)
