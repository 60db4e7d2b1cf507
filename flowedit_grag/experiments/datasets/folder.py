"""Your own pictures: a folder with a CSV or JSONL of prompts."""

import csv
import io
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...backbone.image import alpha_of, read_image
from ...errors import InputError, unknown
from ...tables import existing, json_lines, read_text, require, text
from ..samples import Benchmark, Dataset, Sample, check_id

COLUMNS = ("image", "id", "source_prompt", "target_prompt", "instruction", "mask", "truth", "task")
HALF = 127  # of 255


@dataclass(frozen=True, kw_only=True)
class Folder(Benchmark):
    """``path`` is a ``.csv`` (its first line names the columns) or ``.jsonl`` file, or a folder with one such file.

    The columns are those of ``COLUMNS``: ``image``, and ``target_prompt`` or ``instruction``, are needed. Paths of
    pictures are relative to the file, and stay in its folder. Without an ``id`` it is the image's name.
    """

    path: str

    def open(self) -> Dataset:
        file = _prompts(Path(self.path))
        lines = _csv(file) if file.suffix == ".csv" else _jsonl(file)
        samples: dict[str, Sample] = {}
        for where, values in lines:
            sample = _sample(file.parent, values, where)
            check_id(sample.id, where)
            if sample.id in samples:
                raise InputError(f"{where}: the id {sample.id!r} is there twice; give each line an id of its own.")
            samples[sample.id] = sample
        return Dataset(str(file), tuple(samples.values()))


def _prompts(path: Path) -> Path:
    if not os.path.isdir(path):
        if path.suffix not in (".csv", ".jsonl"):
            raise InputError(f"{path} is neither a folder nor a .csv or .jsonl file.")
        return path
    files = sorted(file for file in path.iterdir() if file.suffix in (".csv", ".jsonl"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise InputError(f"{path} must have one .csv or .jsonl file, not {names}; or give the file itself.")
    return files[0]


def _csv(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What to call each row in errors, and its values."""
    rows = csv.DictReader(io.StringIO(read_text(file)), strict=True)
    try:
        _check_columns(rows.fieldnames or [], str(file))
        for values in rows:
            if None in values or None in values.values():  # how the reader marks too many and too few
                raise InputError(f"{file}, line {rows.line_num} does not have {len(rows.fieldnames or [])} fields.")
            yield f"{file}, line {rows.line_num}", values
    except csv.Error as error:
        raise InputError(f"{file}, line {rows.reader.line_num} is not CSV ({error}).") from None


def _jsonl(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, values in json_lines(file, '{"image": "cat.png", "instruction": "make it a dog"}'):
        _check_columns(values, where)
        yield where, values


def _check_columns(found: Collection[str], where: str) -> None:
    for name in found:
        if name not in COLUMNS:
            raise unknown(f"column in {where}:", name, COLUMNS)
    if len(set(found)) < len(found):
        raise InputError(f"{where} names a column twice: {', '.join(found)}.")
    require(["image"], found, where)
    if "target_prompt" not in found and "instruction" not in found:
        raise InputError(f"{where} has neither target_prompt nor instruction; it has {', '.join(found)}.")


def _sample(folder: Path, values: Mapping[str, Any], where: str) -> Sample:
    said = {name: text(values, name, where) for name in COLUMNS}
    image, mask, truth = (
        None if (name := said[column]) is None else existing(folder, name, where)
        for column in ("image", "mask", "truth")
    )
    if image is None:
        raise InputError(f"{where}: image is empty.")
    own_mask = partial(white, mask, image) if mask else None
    own_truth = partial(read_image, truth) if truth else None
    try:  # now, before an edit is paid for that could not be measured
        for read in (own_mask, own_truth):
            if read is not None:
                read()
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return Sample(
        id=said["id"] or image.stem,
        image=partial(read_image, image),
        source_prompt=said["source_prompt"],
        target_prompt=said["target_prompt"],
        instruction=said["instruction"],
        mask=own_mask,
        truth=own_truth,
        task=said["task"] or "",
    )


def white(path: Path, image: Path) -> np.ndarray:
    """The mask ``[H, W]`` bool of a picture that is white where ``image`` may change and black elsewhere."""
    if alpha_of(path) is not None:
        raise InputError(f"the mask {path} has transparent parts; save it in black, and white where it may change.")
    levels = np.asarray(read_image(path).convert("L"))
    expected = read_image(image).size
    if levels.shape != expected[::-1]:
        height, width = levels.shape
        raise InputError(f"the mask {path} is {width}x{height}, but its image {expected[0]}x{expected[1]}.")
    if 0 < levels.max() <= HALF:  # 0 and 1 saved as grey levels look right to whoever saved them
        raise InputError(f"the mask {path} is nearly black (at most {levels.max()} of 255); white is what may change.")
    return levels > HALF
