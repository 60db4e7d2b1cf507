"""Benchmarks by name. One is a file here and a line in this table, or a file of your own."""

import os
from typing import Any

from ...registry import Registry
from ..samples import Benchmark, Dataset

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


def dataset(name: str, /, **options: Any) -> Dataset:
    """The samples of the benchmark called ``name`` (or ``"module:Class"``), checked as far as that costs nothing.

    Raises :class:`InputError` for an unknown or missing option, and for whatever is wrong with the files.
    """
    return benchmark(name, **options).open()


def benchmark(name: str, /, **options: Any) -> Benchmark:
    """The benchmark with its options, not yet opened. Raises :class:`InputError` for an unknown or missing option."""
    plain = {key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in options.items()}
    return DATASETS.make(name, plain, Benchmark)


__all__ = ["DATASETS", "Benchmark", "Dataset", "benchmark", "dataset"]
