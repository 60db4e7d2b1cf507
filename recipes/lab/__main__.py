"""``python -m recipes.lab STAGE``: train the lab model, one resumable stage after the other."""

import argparse
from importlib import import_module
from pathlib import Path

from flowedit_grag.errors import InputError

from .loop import joined

STAGES = {  # name -> (module, function, default steps)
    "vae": ("vae", "train", 2_600),
    "vae-whole": ("vae", "train_whole", 2_000),
    "latents": ("latents", "train", 16_000),
    "text": ("reading", "train", 1_000),
    "flux": ("flux", "train", 10_000),
    "distil": ("flux", "train_distil", 700),
    "decoder": ("decoder", "train", 1_500),
    "export": ("export", "train", 1),
    "vital": ("export", "train_vital", 15),
    "carry": ("export", "train_carry", 10),
    "settings": ("export", "train_settings", 1),
    "strengths": ("export", "train_strengths", 1),
    "shipped": ("export", "train_shipped", 1),
    "masks": ("latents", "train_masks", 24_000),
    "clip": ("clip", "train", 3_000),
    "fill": ("fill", "train", 8_400),
    "fill-decoder": ("decoder", "train_fill", 9_600),
    "export-fill": ("export", "train_fill", 1),
    "export-adapters": ("export", "train_adapters", 1),
    "export-clip": ("clip", "train_export", 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.lab", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--folder", type=Path, default=Path("lab-training"), help="checkpoints and logs")
    parser.add_argument("--steps", type=int, help="steps in all, earlier runs counted in")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    if given.steps is not None and given.steps < 1:
        parser.error(f"--steps must be from 1 on, not {given.steps}.")
    module, function, steps = STAGES[given.stage]
    run = getattr(import_module(f".{module}", __package__), function)
    try:
        with joined():
            run(given.folder, steps if given.steps is None else given.steps, given.device)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    except FileNotFoundError as error:
        parser.exit(2, f"{error.filename} is missing, which an earlier stage makes; the stages are, in order: "
                       f"{', '.join(STAGES)}.\n")  # fmt: skip


if __name__ == "__main__":
    main()
