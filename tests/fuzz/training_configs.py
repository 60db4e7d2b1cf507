"""Configs of trainings and what is typed to change them: read, checked, and the data opened where it is here."""

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flowedit_grag.cli.arguments import key_values
from flowedit_grag.configs_by_name import config_folder
from flowedit_grag.training.config import read
from flowedit_grag.training.folder import RunFolder

from .mutants import choose

TRIALS = 2500


def trial(rng: random.Random, folder: Path) -> None:
    """As :func:`train` begins: config, folder, data; no weights are loaded."""
    content, options = choose(rng, _bases())
    (folder / "config.yaml").write_bytes(content)
    (folder / "options.json").write_text(json.dumps(options))
    config = read(folder / "config.yaml", key_values(options, flags=()))
    RunFolder(Path(config.out)).check(config)
    config.data.open()
    assert not (folder / "RAN").exists(), "a config ran a command"


@cache
def _bases() -> list[dict[str, Any]]:
    every = (yaml.safe_load(path.read_text()) for path in sorted(config_folder().rglob("*.yaml")))
    return [values for values in every if "methods" not in values]
