"""The folder of a run: whose it is."""

import json
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ..errors import InputError, first_line
from ..files import csv_text, written
from ..hidden import masked
from ..locks import Locks
from ..options import flat
from . import fingerprint
from .config import RunConfig
from .job import Job
from .manifest import Manifest, ManifestEntry
from .table import RunTable, table, write

LOCKS = "claims.lock"
# What may change when a run goes on: no edit depends on it.
FREE = ("out", "metrics", "paper", *(f"loading.{name}" for name in fingerprint.PLACING))
LIBRARIES = ("flowedit-grag", "torch", "diffusers", "transformers", "peft", "numpy", "pillow")


def begin(job: Job) -> None:
    """Make the folder the job's, or see that it is. Writes ``config.yaml``, ``manifest.json``, what it leaves
    out, and once ``environment.json``: what the run began with; every record has the versions of its own.

    Raises :class:`InputError` if a run of another config is there, with the first difference.
    """
    with _alone(job, "choose another folder with out="):
        _check(job.config, job.folder)
        for path in job.folder.iterdir():
            if re.fullmatch(r"\.\w+\.\w+\.\w+", path.name):  # what killed processes left half-written: we are alone
                path.unlink(missing_ok=True)
        _describe(job)
        if not (path := job.folder / "environment.json").exists():
            system = {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()}
            versions = {name: version(name) for name in LIBRARIES}
            with written(path) as partial:
                partial.write_text(json.dumps({**system, "versions": versions}, indent=1) + "\n")


def settle(job: Job) -> RunTable:
    """Write the table of what is there so far, and let the folder say again what it is of: another runner may have
    begun with fewer samples since."""
    made = table(job)
    with _alone(job, "make room and run the config once more, which makes nothing again"):
        _describe(job)
        write(made, job.folder)
    return made


@contextmanager
def _alone(job: Job, advice: str) -> Iterator[None]:
    try:
        with Locks(job.folder / LOCKS) as locks, locks.alone():
            yield
    except OSError as error:
        raise InputError(f"cannot write in {job.folder} ({error.strerror}); {advice}.") from None


def _describe(job: Job) -> None:
    with written(job.folder / "config.yaml") as partial:
        OmegaConf.save(OmegaConf.create(job.config.plain()), partial)
    items = tuple(
        ManifestEntry(item.row.name, item.sample.id, item.sample.task, item.sample.previous, item.key, item.truth)
        for item in job.items
    )
    inputs = {item.row.name: item.key_inputs for item in job.items}
    made_with = {
        row.name: {key: value for key, value in inputs[row.name].items() if key != "sample"} for row in job.config.rows
        if row.name in inputs
    }  # fmt: skip
    samples = job.config.samples
    Manifest(job.limit, made_with, job.metric_keys, items, samples.reasons).write(job.folder)
    if samples.left_out:
        rows = [("id", "reason"), *((id, masked(reason)) for id, reason in samples.left_out)]
        with written(job.folder / "left_out.csv") as partial:
            partial.write_text(csv_text(rows), encoding="utf-8")


def _check(config: RunConfig, folder: Path) -> None:
    path = folder / "config.yaml"
    if not path.exists():
        return
    try:
        there = dict(flat(OmegaConf.to_container(OmegaConf.load(path))))  # type: ignore[arg-type]
    except (OmegaConfBaseException, YAMLError, ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}); choose another folder with out=.") from None
    here = dict(flat(OmegaConf.to_container(OmegaConf.create(config.plain()))))  # type: ignore[arg-type]
    for key in [*here, *there]:
        if key not in FREE and (old := there.get(key)) != (new := here.get(key)):
            raise InputError(
                f"{folder} holds a run with another {key} ({old!r} there, {new!r} here); "
                "give it the same, or choose another folder with out=."
            )
