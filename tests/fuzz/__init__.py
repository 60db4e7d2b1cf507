"""Mutated inputs, tried through the package's own entry points: whatever comes in is used, or refused in a sentence.

A kind of input is a file here with ``trial(rng, folder)``: it makes one mutated input below ``folder`` and tries it.
It returns where the input was accepted; an ``InputError`` is a refusal, every other exception a failure. The long
version is ``python -m tests.fuzz KIND --trials N --seed S``, by default with as many as the file says in ``TRIALS``, of
seed 0; a trial depends on the kind, the seed and its own number only.
"""

from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
USUAL = 1000  # trials of a kind that does not say TRIALS itself


def kinds() -> list[str]:
    """The names of the files that have a ``trial``, which are found without importing them."""
    files = [path for path in HERE.glob("*.py") if not path.name.startswith("test_")]
    return sorted(path.stem for path in files if "\ndef trial(" in path.read_text(encoding="utf-8"))


def trials(kind: str) -> int:
    """How many the long version makes."""
    return getattr(import_module(f".{kind}", __package__), "TRIALS", USUAL)
