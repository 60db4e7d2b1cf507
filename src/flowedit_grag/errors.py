"""Mistakes in what a person asked for, each said in one sentence."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """The input cannot be used. The message says what is wrong and what to do; the command line exits with 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """An error for a ``name`` that is not among the ``known`` ones, with the likeliest one meant."""
    known = sorted(known)
    close = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
    return InputError(f"unknown {kind} {name!r}; {hint}")
