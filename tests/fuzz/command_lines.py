"""Command lines of all commands, through the entry point: exit codes 0, 1 and 2 only, and no file half-written.

Models are real but tiny (the one of the golden tests, and rarely the lab's), and nothing is a stub but for the end: an
edit or a training that has called its transformer often enough counts as accepted, because steps=9999 is no mistake.
"""

import io
import json
import random
import re
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import yaml
from PIL import Image

from flowedit_grag.cli import main
from flowedit_grag.errors import InputError

from .command_words import words

TRIALS = 1000
ENOUGH, LONG = 6, 3  # forward calls of a transformer, or seconds of work, after which one more is enough
TINY = Path(__file__).parents[1] / "golden" / "tiny_flux"
FOLDERS = ("run", "train")  # commands whose folder is there from the beginning, to be gone on with


class EnoughCalls(BaseException):
    """An edit is under way."""


def trial(rng: random.Random, folder: Path) -> None:
    """What is refused leaves no files, and what is not leaves whole ones."""
    _inputs(folder)
    typed = words(rng, TINY)
    (folder / "command.json").write_text(json.dumps(typed))
    before = set(folder.rglob("*"))
    with _stopped_early():
        code, said = _ended(typed)
    left = sorted(str(path.relative_to(folder)) for path in set(folder.rglob("*")) - before)
    assert code in (None, 0, 1, 2), f"exit code {code}: {said}"
    assert not [name for name in left if re.search(r"(^|/)\.[^/]*\.\d+\.\w*$", name)], f"half-written: {left}"
    if code in (1, 2):
        assert not left or typed[0] in FOLDERS, f"refused, and left {left}: {said}"
        assert said.strip(), "refused without a word"
        ours = [line for line in said.splitlines() if line.startswith("error: ")]
        raise InputError(ours[-1] if ours else said.splitlines()[-1])
    for name in left:
        if code == 0 and name.endswith((".png", ".jpg", ".webp")) and (folder / name).is_file():
            Image.open(folder / name).load()


def _ended(typed: list[str]) -> tuple[int | None, str]:
    """The exit code (``None`` of what went on for long enough) and what was said on stderr."""
    said = io.StringIO()
    with (
        patch.object(sys, "argv", ["flowedit-grag", *typed]), patch.object(warnings, "formatwarning"),
        patch.object(tempfile, "tempdir", str(Path.cwd())), redirect_stdout(io.StringIO()), redirect_stderr(said),
    ):  # fmt: skip
        try:
            main.run()
        except EnoughCalls:
            return None, said.getvalue()
        except SystemExit as ended:
            return (ended.code if isinstance(ended.code, int) else 0), said.getvalue()
    return 0, said.getvalue()


@contextmanager
def _stopped_early():
    calls, begun = 0, time.process_time()

    def count(module: torch.nn.Module, _: object) -> None:
        nonlocal calls
        if type(module).__name__.endswith("Transformer2DModel"):
            calls += 1
            if calls > ENOUGH or time.process_time() > begun + LONG:
                raise EnoughCalls

    hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _inputs(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(folder / "a.png")
    (folder / "dir").mkdir()
    (folder / "t.txt").write_text("hello")
    (folder / "n.json").write_text('{"vital_layers": [Infinity, 0]}')
    (folder / "c.yaml").write_text(yaml.safe_dump({
        "model": str(TINY), "out": "runs/c", "dataset": {"name": "lab", "per_task": 1, "tasks": ["color"]},
        "metrics": ["psnr"], "methods": {"first": {"method": "flowedit", "steps": 2, "n_max": 2}},
    }))  # fmt: skip
    (folder / "t.yaml").write_text(yaml.safe_dump({
        "model": "lab-fill", "out": "trained", "data": {"source": "lab", "pairs": 8}, "width": 64, "steps": 1,
        "adapter": {"rank": 2, "experts": 1}, "optimizer": "adamw", "samples": {"every": 0},
    }))  # fmt: skip
    for name, content in _finished_run().items():
        (folder / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "run" / name).write_bytes(content)


@cache
def _finished_run() -> dict[str, bytes]:
    """The files of a run of two samples, for reports."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-run-"))
    config = {
        "model": str(TINY), "out": str(folder / "run"), "metrics": ["psnr"],
        "dataset": {"name": "lab", "per_task": 2, "tasks": ["color"]},
        "methods": {"a": {"method": "sdedit", "steps": 1}},
    }  # fmt: skip
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    code, said = _ended(["run", str(folder / "c.yaml")])
    assert code == 0, said
    files = (path for path in (folder / "run").rglob("*") if path.is_file())
    return {str(path.relative_to(folder / "run")): path.read_bytes() for path in files}
