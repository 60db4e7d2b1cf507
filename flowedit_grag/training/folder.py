"""The folder of a run: what makes a killed run go on as if nothing had happened."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ..errors import InputError, first_line
from ..files import written
from ..hidden import shown
from ..locks import Locks
from ..lora_moe.files import FILE_NAME
from ..options import flat
from .config import TrainConfig

# What may change when a run goes on: none of it changes a step,
FREE = {"out", "steps", "checkpoint_every", "samples.every", "samples.steps", "gradient_checkpointing"}
MENDED = {"optimizer.lr", "dtype"}  # but for these, for steps that give no number otherwise

log = logging.getLogger(__name__)


class RunFolder:
    """Files are whole or not there; the log is appended to, and cut back to the checkpoint on resuming."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoint, self.config, self.log = path / "checkpoint.pt", path / "config.yaml", path / "log.jsonl"

    def check(self, config: TrainConfig) -> None:
        """Raise :class:`InputError` if a run with other settings is here, naming the first that differs."""
        if not self.config.exists():
            return
        try:
            there = dict(flat(OmegaConf.to_container(OmegaConf.load(self.config))))  # type: ignore[arg-type]
        except (OmegaConfBaseException, YAMLError, OSError, ValueError, AttributeError) as error:
            raise InputError(f"{self.config} cannot be read ({first_line(error)}); choose another folder.") from None
        here = dict(flat(shown(asdict(config))))
        free = FREE - {"steps"} if here.get("optimizer.decay") else FREE  # where the rate falls depends on them
        for key in sorted((here.keys() | there.keys()) - free):
            if (old := there.get(key)) != (new := here.get(key)):
                if key not in MENDED:
                    raise InputError(
                        f"{self.path} holds a run with another {key} ({old!r} there, {new!r} here); "
                        "give it the same, or choose another folder with out=FOLDER."
                    )
                log.warning("goes on with another %s (%r until now, %r from here)", key, old, new)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep the folder from other runs for the length of the block. Raises :class:`InputError` if one has it."""
        with Locks(self.path / "train.lock") as locks, locks.claimed("0") as mine:
            if not mine:
                raise InputError(f"another process trains in {self.path}; wait for it, or choose another folder.")
            yield

    def begin(self, config: TrainConfig) -> None:
        """Write the resolved config, and take away what a killed run may have left half-written."""
        for file in (self.checkpoint, self.path / FILE_NAME):
            for partial in self.path.glob(f".{file.stem}.*{file.suffix}"):
                partial.unlink()
        with written(self.config) as partial:
            OmegaConf.save(OmegaConf.create(shown(asdict(config))), partial)

    def save(self, state: Mapping[str, Any]) -> None:
        with written(self.checkpoint) as partial:
            torch.save(dict(state), partial)

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint, on the CPU, if there is one."""
        if not self.checkpoint.exists():
            return None
        try:
            return torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except (RuntimeError, OSError, ValueError, EOFError, UnpicklingError) as error:
            reason = first_line(error)
            raise InputError(f"{self.checkpoint} cannot be read ({reason}); remove it to begin again.") from None

    def append(self, line: Mapping[str, float]) -> None:
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def rewind(self, step: int) -> None:
        """Drop the lines after ``step``: these steps will be done, and logged, again."""
        kept = "".join(json.dumps(line) + "\n" for line in self.lines() if line["step"] <= step)
        with written(self.log) as partial:
            partial.write_text(kept, encoding="utf-8")

    def lines(self) -> list[dict[str, float]]:
        """The log. A last line that was cut off by a kill is left out."""
        if not self.log.exists():
            return []
        whole = self.log.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        try:
            return [json.loads(line) for line in whole]
        except ValueError as error:
            reason = first_line(error)
            raise InputError(f"{self.log} is damaged ({reason}); remove the lines that are no JSON.") from None
