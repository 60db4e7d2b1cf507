"""The package's own weights as checkpoints that later stages start from: nothing has to be trained again."""

import json
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

from flowedit_grag.errors import InputError
from flowedit_grag.files import written

from .export import WEIGHTS

CHECKPOINTS = {"vae_whole": ("vae",), "flux": ("transformer", "text_encoder", "text_encoder_2")}
SCALE = "latents.json"


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Write the shipped pipeline's weights, and the scale of its latents, to a ``folder`` that has none."""
    for name in (*(f"{stage}.pt" for stage in CHECKPOINTS), SCALE):
        if (folder / name).exists():
            raise InputError(f"{folder} has a {name} of its own; choose another --folder.")
    pipeline = DiffusionPipeline.from_pretrained(WEIGHTS, torch_dtype=torch.float32)
    for stage, names in CHECKPOINTS.items():
        weights = {name: getattr(pipeline, name).state_dict() for name in names}
        with written(folder / f"{stage}.pt") as partial:
            torch.save({"ema": weights}, partial)
    scale = {name: pipeline.vae.config[name] for name in ("shift_factor", "scaling_factor")}
    with written(folder / SCALE) as partial:
        partial.write_text(json.dumps(scale))
