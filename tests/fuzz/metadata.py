"""Pictures whose account of how they were made was mutated: read and checked, or refused in one sentence."""

import json
import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from flowedit_grag import image_file, read_settings
from flowedit_grag.image_metadata import KEY, metadata_options, pixels_hash
from flowedit_grag.reproduce import checked, find_source

TRIALS = 2_000
SOURCE = Image.new("RGB", (24, 24))
SETTINGS: dict[str, Any] = {
    "kind": "edit", "method": "flowedit", "options": {"steps": 4, "solver": "euler", "vital_layers": [0, 1]}, "seed": 0,
    "model": "lab", "loading": {"dtype": "float32"}, "size": [24, 24], "versions": {"torch": "2"}, "grag": None,
    "request": {"instruction": None, "source_prompt": "a", "target_prompt": ["b"]}, "detail": {"asked": "original"},
    "source": {"path": "source.png", "size": [24, 24], "sha256": pixels_hash(SOURCE)}, "picture": "0", "index": None,
}  # fmt: skip
VALUES = (
    None,
    True,
    -1,
    1e400,
    "",
    "x" * 10_000,
    "\x1b[2J",
    "/dev/zero",
    "os:system",
    [],
    {},
    [[[]]],
    {"a": {}},
    2**400,
)
ENDINGS = ("png", "jpg", "webp", "tif")


def trial(rng: random.Random, folder: Path) -> None:
    """Bytes of the file are changed, or values of the settings."""
    SOURCE.save(folder / "source.png")
    if rng.random() < 0.5:
        path = folder / f"picture.{rng.choice(ENDINGS)}"
        path.write_bytes(_bytes(rng, whole(path.suffix[1:])))
    else:
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt(KEY, json.dumps({KEY: _settings(rng)}), zip=rng.random() < 0.2)
        Image.new("RGB", (4, 4)).save(path := folder / "picture.png", pnginfo=chunks)
    find_source(checked(read_settings(path), path), path, None)


@cache
def whole(ending: str) -> bytes:
    """A picture that says how it was made."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"whole.{ending}"
        kind, image = image_file.format_of(path), Image.effect_noise((24, 24), 40).convert("RGB")
        source = {**SETTINGS["source"], "path": f"{folder}/source.png"}
        image_file.save(image, path, **metadata_options(kind, path, {**SETTINGS, "source": source}))
        return path.read_bytes()


def _bytes(rng: random.Random, content: bytes) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at, how = rng.randrange(len(found) + 1), rng.random()
        if how < 0.6:
            found[at : at + 1] = rng.randbytes(1)
        elif how < 0.8:
            del found[at : at + rng.randrange(1, 60)]
        else:
            found[at:at] = rng.randbytes(rng.randrange(1, 30))
    return bytes(found)


def _settings(rng: random.Random) -> dict[str, Any]:
    found = json.loads(json.dumps(SETTINGS))
    for _ in range(rng.randrange(1, 4)):
        place = found
        name = rng.choice(list(found))
        if isinstance(place[name], dict) and place[name] and rng.random() < 0.6:
            place = place[name]
            name = rng.choice(list(place))
        if rng.random() < 0.3:
            del place[name]
        else:
            place[name] = rng.choice(VALUES)
        if not found:
            break
    return found
