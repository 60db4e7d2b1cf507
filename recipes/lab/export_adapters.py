"""The lab's two adapters, as ``flowedit-grag train`` left them, into the package in half precision."""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from flowedit_grag.embedded import ADAPTERS
from flowedit_grag.errors import InputError
from flowedit_grag.files import written
from flowedit_grag.lora_moe.locate import FILE_NAME

RUNS = {"lab-lora": "lab_lora", "lab-moe": "lab_lora_moe"}  # out: of configs/lab/train_*.yaml, within ``folder``


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """``folder`` is the one that the runs of ``configs/lab/train_lora*.yaml`` are in."""
    for name, run in RUNS.items():
        source = folder / run / FILE_NAME
        if not source.is_file():
            raise InputError(f"there is no {source}; train it with configs/lab/, and give --folder runs.")
        halve(source, ADAPTERS[name])
        print(name, f"{ADAPTERS[name].stat().st_size / 2**20:.2f} MB", flush=True)


def halve(source: Path, target: Path) -> None:
    """Copy a safetensors file in half precision, with its notes."""
    with safe_open(source, "pt") as file:
        notes = file.metadata()
    with written(target) as partial:
        halves = {key: tensor.to(torch.float16) for key, tensor in load_file(source).items()}
        partial.write_bytes(save(halves, metadata=notes))
