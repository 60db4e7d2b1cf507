"""Copies of the lab model's folder, mutated: JSON configs, and files that are missing, renamed or cut."""

import json
import os
import random
import shutil
from pathlib import Path

import torch

from flowedit_grag import load
from flowedit_grag.embedded import MODELS

VALUES = (
    None, True, False, 0, 1, -1, 3, 10**9, 10**400, 0.5, float("nan"), float("inf"), "", "x", "9" * 1000, [], {}, [1],
    [None], ["os", "system"], ["diffusers", "UniPCMultistepScheduler"],
    ["transformers", "CLIPTextModel"], {"a": {"b": [1]}},
)  # fmt: skip
WHOLE = ("", "[]", "{}", "null", "5", '"x"', "{", "[" * 100_000, "\0", "é", "NaN", '{"a": ' * 2000)

TRIALS = 50


def mutate_json(rng: random.Random, path: Path) -> None:
    if rng.random() < 0.2:
        path.write_text(rng.choice(WHOLE))
        return
    content = json.loads(path.read_text())
    place = content
    while isinstance(place, dict) and place:
        key = rng.choice(sorted(place))
        if rng.random() < 0.7 or not isinstance(place[key], dict):
            break
        place = place[key]
    if isinstance(place, dict) and place:
        if rng.random() < 0.3:
            del place[key]
        else:
            place[key] = rng.choice(VALUES)
    path.write_text(json.dumps(content))


def mutate_file(rng: random.Random, path: Path) -> None:
    kind = rng.randrange(5)
    if kind == 0:
        path.unlink()
    elif kind == 1:
        path.rename(path.with_name(rng.choice(["pytorch_model.bin", "x.json", "model.ckpt", f"{path.name}.part"])))
    elif kind == 2:
        path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])
    elif kind == 3:
        path.unlink()
        path.mkdir()
    else:
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice([1, 10, 100])):
            content[rng.randrange(min(len(content), 5000))] = rng.randrange(256)
        path.write_bytes(content)


def trial(rng: random.Random, folder: Path) -> None:
    """Load it and make one forward call of every network, as an edit does."""
    source, model = MODELS["lab"], folder / "model"
    shutil.copytree(source, model, copy_function=os.symlink)
    files = sorted(path for path in model.rglob("*") if path.is_file())
    for path in rng.sample(files, rng.choice([1, 1, 2])):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        if path.suffix == ".json" and rng.random() < 0.8:
            mutate_json(rng, path)
        else:
            mutate_file(rng, path)
    flow = load(model)
    image = torch.zeros(64, 64, 3, dtype=torch.uint8).numpy()
    latents, condition = flow.encode(image), flow.condition("a red circle")
    assert flow.schedule(3, latents)[-1] == 0
    flow.decode(flow.forward(latents, torch.tensor([0.5]), condition, torch.tensor([1.0])))
