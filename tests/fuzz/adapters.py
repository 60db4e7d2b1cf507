"""Adapter and LoRA files, mutated: the header, tensors, their types and numbers, names and metadata."""

import json
import pickle
import random
import struct
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from flowedit_grag import load
from flowedit_grag.backbone.lora import add_loras, read_loras
from flowedit_grag.embedded import ADAPTERS
from flowedit_grag.errors import InputError
from flowedit_grag.lora_moe import read_adapter

CASES = sorted((Path(__file__).parents[1] / "lora_moe" / "cases").glob("*.safetensors"))
KINDS = (
    torch.float64, torch.int8, torch.int64, torch.bool, torch.uint8, torch.bfloat16, torch.float16, torch.float8_e4m3fn,
    torch.float8_e5m2,
)  # fmt: skip
SHAPES = ([], [0], [1], [0, 0], [1, 1, 1], [3, 5], [1] * 10, [0, 192], [192, 0])
NAMES = (
    "x", "transformer.x.lora_A.weight", "transformer..lora_A.weight", "lora_A.weight", ".alpha", "lora_unet_.alpha",
    "transformer.__class__.lora_A.weight", "transformer." + "a" * 50_000 + ".lora_A.weight",
    "é\n\x1b[31m.lora_B.weight",
    "lora_te1_text_model.lora_down.weight", "text_encoder.lora_A.weight", "single_blocks.999999.linear1.lora_A.weight",
    "transformer.x_embedder.lora_A.expert_" + "9" * 5000 + ".weight",
)  # fmt: skip
PREFIXES = ("", "unet.", "base_model.model.", "diffusion_model.", "text_encoder.", "transformer.", "lora_unet_")
WORDS = (
    "", "{", "null", "[]", "1", "[" * 100_000, "9" * 5000, '{"top_k": 99}', '{"transformer.lora_alpha": NaN}',
    '{"transformer.lora_alpha": [1]}', '{"transformer.r": 0, "transformer.lora_alpha": 1}',
    '{"transformer.lora_alpha": 1e-320, "transformer.alpha_pattern": {"": 1}}', '{"transformer.alpha_pattern": 5}',
    '{"top_k": true, "router": "published", "alpha_over_rank": 1}',
    '{"top_k": 1, "router": ["published"], "alpha_over_rank": 1}',
    '{"top_k": 1, "router": "published", "alpha_over_rank": 1e308, "width": 999999999999}',
    '{"top_k": 1, "router": "published", "alpha_over_rank": NaN, "width": 1e9}',
)  # fmt: skip
HEADERS = (
    {"__metadata__": {"a": 1}}, {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}},
    {"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}, [], None, {},
    {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
    {"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}},
)  # fmt: skip

TRIALS = 500


@cache
def base(path: Path):
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


@cache
def model(name: str):
    return load(name).pipeline


class Spoils:
    """Unpickling it leaves a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def spoiled(rng: random.Random, content: bytes, folder: Path) -> bytes:
    """A file that is damaged as a whole."""
    size = 8 + struct.unpack("<Q", content[:8])[0]
    at, kind = rng.randrange(min(len(content), size + 100)), rng.randrange(7)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return struct.pack("<Q", rng.choice([0, 1, 7, 2**63, 2**64 - 1, len(content), 10**9])) + content[8:]
    if kind == 2:
        header = json.dumps(rng.choice(HEADERS)).encode()
        return struct.pack("<Q", len(header)) + header + b"1234"
    if kind == 3:
        return rng.choice([b"", b"\0" * 8, b"PK\3\4", rng.randbytes(100), b"version https://git-lfs.github.com"])
    if kind == 4:
        return pickle.dumps(Spoils(folder / "ran"))
    changed = bytearray(content)
    for _ in range(rng.choice([1, 2, 20])):
        place = rng.randrange(min(len(changed), size))
        changed[place] = rng.choice([0, 255, changed[place] ^ 1 << rng.randrange(8)])
    return bytes(changed)


def mutated(rng: random.Random, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Change one thing of an adapter's."""
    keys = sorted(tensors)
    key, kind = rng.choice(keys), rng.randrange(14)
    if kind == 0:
        del tensors[key]
    elif kind == 1:
        tensors[key] = tensors[key].to(rng.choice(KINDS))
    elif kind == 2 and tensors[key].numel() and tensors[key].is_floating_point():
        tensors[key].view(-1)[0] = rng.choice([float("nan"), float("inf"), 60000.0])
    elif kind == 3:
        tensors[key] = tensors[key].T.contiguous()
    elif kind == 4:
        tensors[key] = torch.zeros(rng.choice(SHAPES))
    elif kind == 5:
        tensors[rng.choice(NAMES)] = tensors[key].clone()
    elif kind in (6, 7):
        metadata[rng.choice(["flowedit_grag", "lora_adapter_metadata"])] = rng.choice(WORDS)
    elif kind == 8:
        tensors.clear()
    elif kind == 9:
        old, new = rng.choice(PREFIXES), rng.choice(PREFIXES)
        renamed = {new + name.removeprefix(old): tensor for name, tensor in tensors.items()}
        tensors.clear()
        tensors |= renamed
    elif kind == 10:
        for name in rng.sample(keys, len(keys) // 2):
            del tensors[name]
    elif kind == 11 and len(keys) > 1:
        other = rng.choice(keys)
        tensors[key], tensors[other] = tensors[other], tensors[key]
    elif kind == 12:
        old, new = rng.choice([("_A", "_down"), ("_B", "_A"), (".weight", ".bias"), ("0", "7"), (".", "_")])
        tensors[key.replace(old, new)] = tensors.pop(key)
    else:
        tensors[f"{key.partition('.lora')[0]}.alpha"] = rng.choice(
            [torch.tensor(float("inf")), torch.tensor(0.0), torch.tensor(2), torch.zeros(3), torch.tensor(-4.0)]
        )


def trial(rng: random.Random, folder: Path) -> None:
    """Load it as ``adapter=`` or as ``lora=``. A model is as it was when it is refused, and finite when it is not."""
    name = rng.choice(["lab", "lab-fill"])
    source = rng.choice([*ADAPTERS.values(), *CASES])
    tensors, metadata = base(source)
    tensors, metadata = {key: tensor.clone() for key, tensor in tensors.items()}, dict(metadata)
    for _ in range(rng.choice([0, 1, 1, 2])):
        if tensors:
            mutated(rng, tensors, metadata)
    content = save(tensors, metadata=metadata)
    if rng.random() < 0.25:
        content = spoiled(rng, content, folder)
    path = folder / rng.choice(["a.safetensors"] * 6 + ["a.bin", "a", "a.SAFETENSORS", "a.safetensors:0.5"])
    path.write_bytes(content)
    pipeline = model(name)
    parts = (pipeline.transformer, pipeline.text_encoder)
    try:
        if rng.random() < 0.5:
            read_adapter(path).add_to(pipeline.transformer)
        else:
            add_loras(pipeline, read_loras(str(path)))
        added = [p for part in parts for key, p in part.named_parameters() if ".lora_" in key]
        assert added, "nothing was loaded, and nothing said"
        assert all(torch.isfinite(parameter).all() for parameter in added), "loaded what is not finite"
    except InputError:
        assert not any(".lora_" in key for part in parts for key, _ in part.named_parameters()), "left something behind"
        raise
    finally:
        assert not (folder / "ran").exists(), "code ran"
        if any(hasattr(part, "peft_config") for part in parts):
            model.cache_clear()
