"""Configs of runs and what is typed to change them: read, checked and planned, with the run's folder and its table.

The executor does nothing, and so no weights are loaded: what edits do with what they are given is other kinds' matter.
"""

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from flowedit_grag.cli.arguments import key_values
from flowedit_grag.configs_by_name import config_folder
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.job import Job
from flowedit_grag.experiments.run import run

from .mutants import choose

TRIALS = 10_000


def trial(rng: random.Random, folder: Path) -> None:
    """Most come from configs whose model and pictures are here, so that they are planned."""
    content, options = choose(rng, _as_they_are() if rng.random() < 0.2 else _at_hand())
    (folder / "config.yaml").write_bytes(content)
    (folder / "options.json").write_text(json.dumps(options))
    _pictures(folder)
    config = read(folder / "config.yaml", key_values(options, flags=()))
    if folder not in Path(config.out).resolve().parents:  # trials leave other folders alone
        config = replace(config, out="elsewhere")
    run(config, executor=f"{__name__}:nothing", limit=rng.choice((None, 2)))
    assert not (folder / "RAN").exists(), "a config ran a command"
    assert (Path(config.out) / "table.md").is_file(), "a run left no table"


def nothing(job: Job, workers: int | None, on_progress: Any) -> None:
    """An executor that leaves the job as it is."""


@cache
def _as_they_are() -> list[dict[str, Any]]:
    every = (yaml.safe_load(path.read_text()) for path in sorted(config_folder().rglob("*.yaml")))
    return [values for values in every if "methods" in values]


@cache
def _at_hand() -> list[dict[str, Any]]:
    """The same on the lab's models, with benchmarks of a few pictures, and without most of many rows."""
    found = yaml.safe_load(yaml.safe_dump(_as_they_are()))
    for values in found:
        values["model"] = "lab-fill" if "ill" in values["model"] else "lab"
        name = values["dataset"]["name"]
        if name == "lab":
            values["dataset"]["per_task"] = 1
        else:
            values["dataset"] = {"name": "pie", "path": "pie"} if name == "pie" else {"name": "folder", "path": "own"}
        rows = list(values["methods"].items())
        values["methods"] = dict(rows[:2] + rows[-2:])
        for row in values["methods"].values():
            if "/" in str(row.get("model", "")):
                row["model"] = values["model"]
            if "/" in str(row.get("adapter", "")):
                row["adapter"] = "lab-moe"
    return found


def _pictures(folder: Path) -> None:
    """PIE-Bench and a folder of one's own, with two pictures each."""
    rng = np.random.default_rng(0)
    entries, lines = {}, ["image,source_prompt,target_prompt,instruction"]
    (pie := folder / "pie" / "annotation_images").mkdir(parents=True)
    (own := folder / "own").mkdir()
    for number in range(2):
        picture = Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8))
        picture.save(pie / f"{number}.png")
        picture.save(own / f"{number}.png")
        entries[f"00{number}"] = {
            "image_path": f"{number}.png", "original_prompt": "a [cat]", "editing_prompt": "a [dog]", "mask": [10, 20],
            "editing_instruction": "make it a dog", "editing_type_id": str(number),
        }  # fmt: skip
        lines.append(f"{number}.png,a cat,a dog,make it a dog")
    (folder / "pie" / "mapping_file.json").write_text(json.dumps(entries))
    (own / "prompts.csv").write_text("\n".join(lines) + "\n")
