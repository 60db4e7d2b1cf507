"""Last stage: the averaged weights as a diffusers pipeline in half precision, with the model's profile."""

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

WEIGHTS = Path(__file__).parent.parent / "weights"
ABOUT = (
    "this picture does not look like a scene of the lab, which is all that the model 'lab' can edit; "
    "for photos choose FLUX.1-dev with --model black-forest-labs/FLUX.1-dev (Editor(model=...) in Python)."
)
ROUNDTRIP_PSNR = 24.0  # dB; scenes reach 27 and more, photos about 20
SETTINGS = {"*": {"true_cfg": 3.0}}


def train(folder: Path, steps: int, device: str = "cpu", weights: Path = WEIGHTS) -> None:
    """Write the pipeline to ``weights``; an earlier profile's vital layers are kept."""
    parts = model.components()
    measured = json.loads((folder / "latents.json").read_text())
    trained = averaged(folder, "flux")
    for name in ("transformer", "text_encoder", "text_encoder_2"):
        parts[name].load_state_dict(trained[name])
    parts["vae"].load_state_dict(averaged(folder, "vae_whole")["vae"])
    parts["vae"].register_to_config(**measured)
    model.pipeline(parts).to(dtype=torch.float16).save_pretrained(weights)
    path = weights / FILE_NAME
    earlier = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**earlier, **profile()}, indent=2) + "\n")
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
