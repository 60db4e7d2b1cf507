"""The averaged weights as a diffusers pipeline, in half precision where that is safe, with the model's profile."""

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import FluxFillPipeline

from flowedit_grag.backbone.known_models import FILE_NAME
from flowedit_grag.embedded import MODELS
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.scene import sample_scene
from flowedit_grag.lab.world import IMAGE_SIZE

from . import model
from .fill import widened
from .loop import averaged
from .vae import trained

WEIGHTS, FILL_WEIGHTS = MODELS["lab"], MODELS["lab-fill"]
ABOUT = (
    "this picture does not look like a scene of the lab, which is all that the model '{name}' can edit; "
    "for photos choose {other} with --model black-forest-labs/{other}{more} (Editor(model=...) in Python)."
)
ROUNDTRIP_PSNR = 24.0  # dB; scenes reach 27 and more, photos about 20
SETTINGS = {  # stage ``settings`` adds what it chooses
    "stableflow": {"steps": 20},
    "stableflow+": {"steps": 20},
    "icedit-t2i": {"width": IMAGE_SIZE},
    "early_filter": {"judge": "lab"},
}
BEFORE_DISTILLATION = {"*": {"true_cfg": 3.0}}
FILL_SETTINGS = {
    "icedit": {"guidance": 1.0, "width": IMAGE_SIZE},  # the guidance embedding is not distilled
    "early_filter": {"judge": "lab"},
}


def train(folder: Path, steps: int, device: str = "cpu", weights: Path = WEIGHTS) -> None:
    """Write the pipeline; stage ``vital`` adds the vital layers."""
    parts, averages = model.components(), averaged(folder, "flux")
    distilled = (folder / "distil.pt").exists()
    if distilled:
        averages |= averaged(folder, "distil")
    parts["transformer"].load_state_dict(averages["transformer"])
    settings = SETTINGS if distilled else {**SETTINGS, **BEFORE_DISTILLATION}
    about = ABOUT.format(name="lab", other="FLUX.1-dev", more="")
    _write(weights, model.pipeline(_shared(parts, averages, folder)), profile(settings, about))


def train_fill(folder: Path, steps: int, device: str = "cpu", weights: Path = FILL_WEIGHTS) -> None:
    """Write the Fill pipeline: stage ``fill``'s transformer with everything else as it is in the lab model."""
    parts, averages = model.components(), averaged(folder, "flux")
    parts["transformer"] = widened(parts["transformer"], averages["transformer"])
    parts["transformer"].load_state_dict(averaged(folder, "fill")["transformer"])
    shared = _shared(parts, averages, folder)
    if (folder / "fill_decoder.pt").exists():
        shared["vae"].decoder.load_state_dict(averaged(folder, "fill_decoder")["decoder"])
    about = ABOUT.format(name="lab-fill", other="FLUX.1-Fill-dev", more=" and an --adapter")
    _write(weights, FluxFillPipeline(**shared), profile(FILL_SETTINGS, about))


def _shared(parts: dict, averages: dict, folder: Path) -> dict:
    """``parts`` with trained text encoders and autoencoder, and in half precision."""
    for name in ("text_encoder", "text_encoder_2"):
        parts[name].load_state_dict(averages[name])
    parts["vae"] = trained(folder)
    parts["vae"].register_to_config(**json.loads((folder / "latents.json").read_text()))
    for name in ("transformer", "vae"):  # not the text encoders: transformers would load them in half precision too
        parts[name].to(torch.float16)
    return parts


def _write(weights: Path, pipeline, facts: dict) -> None:
    pipeline.save_pretrained(weights)
    (weights / FILE_NAME).write_text(json.dumps(facts, indent=2) + "\n")
    print(sum(file.stat().st_size for file in weights.rglob("*") if file.is_file()) / 2**20, "MB", flush=True)


def profile(settings: dict[str, dict], about: str) -> dict:
    """What the package should know of a lab model."""
    rng = np.random.default_rng(2_000_003)
    return {
        "pixels": IMAGE_SIZE**2,
        "words": model.vocabulary(),
        "prompts": [caption(sample_scene(rng, items=1 + index % 2)) for index in range(16)],
        "roundtrip_psnr": ROUNDTRIP_PSNR,
        "about": about,
        "settings": settings,
    }
