"""The averaged weights as a diffusers pipeline, in half precision where that is safe, with the model's profile."""

import json
from pathlib import Path

import numpy as np
import torch

from ...backbone.profile import FILE_NAME
from .. import model
from ..captions import caption, vocabulary
from ..scene import sample_scene
from ..world import IMAGE_SIZE
from .loop import averaged
from .vae import trained

WEIGHTS = Path(__file__).parent.parent / "weights"
ABOUT = (
    "this picture does not look like a scene of the lab, which is all that the model 'lab' can edit; "
    "for photos choose FLUX.1-dev with --model black-forest-labs/FLUX.1-dev (Editor(model=...) in Python)."
)
ROUNDTRIP_PSNR = 24.0  # dB; scenes reach 27 and more, photos about 20
STABLEFLOW = {"true_cfg": 3.0, "nudge": 1.0, "steps": 20}
SETTINGS = {  # chosen by eye and oracle on ten validation scenes
    "*": {"true_cfg": 3.0},
    "flowedit": {"true_cfg": 3.5},
    "stableflow": STABLEFLOW,
    "stableflow+": STABLEFLOW,
    "reconstruct": {"true_cfg": 1.0},
    "icedit-t2i": {"true_cfg": 3.0, "width": IMAGE_SIZE},
}


def train(folder: Path, steps: int, device: str = "cpu", weights: Path = WEIGHTS) -> None:
    """Write the pipeline; stage ``vital`` adds the vital layers."""
    parts = model.components()
    measured = json.loads((folder / "latents.json").read_text())
    averages = averaged(folder, "flux")
    if (folder / "distil.pt").exists():
        averages |= averaged(folder, "distil")
    for name in ("transformer", "text_encoder", "text_encoder_2"):
        parts[name].load_state_dict(averages[name])
    parts["vae"] = trained(folder)
    parts["vae"].register_to_config(**measured)
    for name in ("transformer", "vae"):  # not the text encoders: transformers would load them in half precision too
        parts[name].to(torch.float16)
    model.pipeline(parts).save_pretrained(weights)
    (weights / FILE_NAME).write_text(json.dumps(profile(), indent=2) + "\n")
    print(sum(file.stat().st_size for file in weights.rglob("*") if file.is_file()) / 2**20, "MB", flush=True)


def profile() -> dict:
    """What the package should know of the lab model."""
    rng = np.random.default_rng(2_000_003)
    return {
        "pixels": IMAGE_SIZE**2,
        "words": vocabulary(),
        "prompts": [caption(sample_scene(rng, items=1 + index % 2)) for index in range(16)],
        "roundtrip_psnr": ROUNDTRIP_PSNR,
        "about": ABOUT,
        "settings": SETTINGS,
    }
