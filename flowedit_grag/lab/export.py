"""An editing problem as files."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError, unknown
from ..files import written
from .tasks import TASKS, sample_edit


def write_edit(folder: Path, seed: int, task: str | None = None) -> Path:
    """Write source.png, target.png, mask.png (white: may change) and scene.json into ``folder``; returns the folder.

    scene.json has the task, both prompts, the instruction and both scenes. It is written last, so that a folder with
    it is complete. Raises :class:`InputError` for unknown tasks, seeds that are negative, folders that cannot be made.
    """
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS)
    if seed < 0:
        raise InputError(f"seed must be a whole number from 0 on, not {seed}.")
    edit = sample_edit(np.random.default_rng(seed), task)
    source, target, mask = edit.images()
    prompts = {"source_prompt": edit.source_prompt, "target_prompt": edit.target_prompt}
    facts = {"seed": seed, **prompts, **asdict(edit)}
    try:
        for name, pixels in (("source", source), ("target", target), ("mask", mask.astype(np.uint8) * 255)):
            with written(folder / f"{name}.png") as partial:
                Image.fromarray(pixels).save(partial)
        with written(folder / "scene.json") as partial:
            partial.write_text(json.dumps(facts, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write in {folder}: {error.strerror}; choose another folder with -o.") from None
    return folder
