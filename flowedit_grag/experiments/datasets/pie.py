"""PIE-Bench (arXiv:2310.01506): 700 images with prompts, instruction and mask."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...backbone.image import read_image
from ...errors import InputError
from ...tables import existing, from_json, read_text, require, text
from ..samples import Benchmark, Dataset, Sample

TASKS = (  # by editing_type_id
    "random", "change object", "add object", "delete object", "change content", "change pose", "change color",
    "change material", "change background", "change style",
)  # fmt: skip
FIELDS = ("image_path", "original_prompt", "editing_prompt", "editing_instruction", "editing_type_id", "mask")


@dataclass(frozen=True, kw_only=True)
class PieBench(Benchmark):
    """``path`` is the unpacked benchmark: ``mapping_file.json`` and ``annotation_images/``. Its authors hand it out
    after a form (github.com/cure-lab/PnPInversion)."""

    path: str

    def open(self) -> Dataset:
        folder = Path(self.path)
        file = folder / "mapping_file.json"
        if not os.path.isfile(file):
            raise InputError(
                f"there is no {file}; path must be the unpacked PIE-Bench, which its authors give after a form."
            )
        entries = from_json(read_text(file), file, as_pairs=_Pairs)
        if not isinstance(entries, _Pairs):
            raise InputError(f"{file} must map ids to entries.")
        images = folder / "annotation_images"
        return Dataset("PIE-Bench", tuple(_sample(id, entry, images, f"{file}, id {id!r}") for id, entry in entries))


class _Pairs(list):
    """A JSON object as it is written: of a dict, an id that is there twice would be taken once, silently."""


def _sample(id: str, entry: Any, images: Path, where: str) -> Sample:
    if not isinstance(entry, _Pairs):
        raise InputError(f"{where} must be an entry with {', '.join(FIELDS)}.")
    values = dict(entry)
    require(FIELDS, values, where)
    runs = values["mask"]
    whole = isinstance(runs, list) and all(type(number) is int and number >= 0 for number in runs)
    if not whole or len(runs) % 2:
        raise InputError(f"{where}: the mask must be a list of whole numbers, start and length of each run.")
    if (task := str(values["editing_type_id"])) not in map(str, range(len(TASKS))):
        raise InputError(f"{where}: editing_type_id must be '0' to '{len(TASKS) - 1}', not {task!r}.")
    if (name := text(values, "image_path", where)) is None:
        raise InputError(f"{where}: image_path is empty.")
    path = existing(images, name, where)
    return Sample(
        id=id,
        image=partial(read_image, path),
        source_prompt=_prompt(values, "original_prompt", where),
        target_prompt=_prompt(values, "editing_prompt", where),
        instruction=text(values, "editing_instruction", where),
        mask=partial(_mask, path, runs, where),
        task=TASKS[int(task)],
    )


def _prompt(values: Mapping[str, Any], name: str, where: str) -> str | None:
    """Without the brackets around what differs, which no model should read."""
    prompt = text(values, name, where)
    return prompt and prompt.replace("[", "").replace("]", "")


def _mask(path: Path, runs: list[int], where: str) -> np.ndarray:
    return from_runs(runs, read_image(path).size, where)


def from_runs(runs: Sequence[int], size: tuple[int, int], where: str) -> np.ndarray:
    """``[start, length, start, length, …]``, row by row, as the mask ``[H, W]`` bool of an image of ``size = (width,
    height)``.

    As in the published ``mask_decode`` (evaluation/evaluate.py of PnPInversion, arXiv:2310.01506), a run that is too
    long ends with the image, and the outermost pixels are always marked, against errors of annotation there: an empty
    mask still has a frame, and a mask of all but the frame is full. Unlike there, runs that start behind the last
    pixel are refused, not dropped, and so are (when the benchmark is opened) negative starts, which would count from
    the end, and an odd count. The published decoder takes every image for 512 pixels square; this one asks it.
    """
    width, height = size
    flat = np.zeros(height * width, bool)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        if start >= flat.size:
            raise InputError(f"{where}: the mask has a run at {start}, but the image only {flat.size} pixels.")
        flat[start : start + length] = True
    mask = flat.reshape(height, width)
    mask[[0, -1]] = mask[:, [0, -1]] = True
    return mask
