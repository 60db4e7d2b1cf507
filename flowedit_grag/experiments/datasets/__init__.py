"""Benchmarks by name. One is a file here and a line in this table, or a file of your own."""

import os
from dataclasses import MISSING, fields
from typing import Any

from ...errors import InputError, unknown
from ...registry import Registry
from ..samples import Dataset
from .base import Benchmark

DATASETS = Registry(
    "dataset",
    __name__,
    {
        "lab": "lab:Lab",
        "pie": "pie:PieBench",
        "emu": "emu:EmuEdit",
        "magicbrush": "magicbrush:MagicBrush",
        "folder": "folder:Folder",
    },
)


def dataset(name: str, **options: Any) -> Dataset:
    """The samples of the benchmark called ``name`` (or ``"module:Class"``), checked as far as that costs nothing.

    Raises :class:`InputError` for an unknown or missing option, and for whatever is wrong with the files.
    """
    return benchmark(name, **options).open()


def benchmark(name: str, **options: Any) -> Benchmark:
    """The benchmark with its options, not yet opened. Raises :class:`InputError` for an unknown or missing option."""
    kind = DATASETS[name]
    if not (isinstance(kind, type) and issubclass(kind, Benchmark)):
        raise InputError(
            f"{name!r} is not a dataset; it must be a class derived from {Benchmark.__module__}.Benchmark."
        )
    known = {f.name: f.default is MISSING for f in fields(kind)}
    for option in options:
        if option not in known:
            raise unknown(f"option of {name}", option, known)
    for option, required in known.items():
        if required and option not in options:
            raise InputError(f"the dataset {name!r} needs the option {option!r}.")
    return kind(**{key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in options.items()})


__all__ = ["DATASETS", "Benchmark", "Dataset", "benchmark", "dataset"]
