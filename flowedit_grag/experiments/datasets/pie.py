"""PIE-Bench (arXiv:2310.01506): 700 images with prompts, instruction and mask."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...backbone.image import read_image
from ...errors import InputError
from ...tables import existing, read_text, require, text
from ..masks import check_runs, from_runs
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
        images = folder / "annotation_images"
        entries = _entries(file)
        return Dataset("PIE-Bench", tuple(_sample(id, entry, images, file) for id, entry in entries))


def _entries(file: Path) -> list[tuple[str, Any]]:
    """Ids and entries, as pairs: an id that is there twice would otherwise be taken once, silently."""
    if not file.exists():
        raise InputError(
            f"there is no {file}; path must be the unpacked PIE-Bench, which its authors give after a form."
        )
    try:
        pairs = json.loads(read_text(file), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON ({error}).") from None
    if not isinstance(pairs, _Pairs):
        raise InputError(f"{file} must map ids to entries.")
    return list(pairs)


class _Pairs(list):
    """A JSON object as it is written."""


def _sample(id: str, entry: Any, images: Path, file: Path) -> Sample:
    where = f"{file}, id {id!r}"
    if not isinstance(entry, _Pairs):
        raise InputError(f"{where} must be an entry with {', '.join(FIELDS)}.")
    values = dict(entry)
    require(FIELDS, values, where)
    check_runs(values["mask"], where)
    name = text(values, "image_path", where)
    if name is None:
        raise InputError(f"{where}: image_path is empty.")
    path = existing(images / name, where)
    return Sample(
        id=id,
        image=partial(read_image, path),
        source_prompt=_prompt(values, "original_prompt", where),
        target_prompt=_prompt(values, "editing_prompt", where),
        instruction=text(values, "editing_instruction", where),
        mask=partial(_mask, path, values["mask"], where),
        task=_task(values["editing_type_id"], where),
    )


def _prompt(values: Mapping[str, Any], name: str, where: str) -> str | None:
    """Without the brackets around what differs, which no model should read."""
    prompt = text(values, name, where)
    return prompt and prompt.replace("[", "").replace("]", "")


def _task(number: Any, where: str) -> str:
    """The name of ``editing_type_id``, which is text of one digit."""
    tasks = {str(index): task for index, task in enumerate(TASKS)}
    if str(number) not in tasks:
        raise InputError(f"{where}: editing_type_id must be '0' to '{len(TASKS) - 1}', not {number!r}.")
    return tasks[str(number)]


def _mask(path: Path, runs: list[int], where: str) -> np.ndarray:
    return from_runs(runs, read_image(path).size, where)
