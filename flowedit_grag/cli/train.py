"""``flowedit-grag train``: a YAML config and KEY=VALUE changes to it."""

import os
from pathlib import Path

from . import output
from .arguments import key_values


def train(config: Path, options: list[str] | None) -> None:
    """Train, going on where a killed run stopped, and print where the adapter is."""
    os.environ.setdefault("MKL_CBWR", "AUTO")  # else its sums depend on where the allocator happened to put arrays
    changes = key_values(options, flags=())
    with output.waiting("loading", quiet=False):
        from ..training.config import read
        from ..training.loop import train as run

        settings = read(config, changes)
    with output.progress(quiet=False) as on_progress:
        print(run(settings, on_progress))
