"""The list of methods."""

import textwrap
from dataclasses import MISSING, fields

from ..methods import CONTROL, METHODS
from ..result import plain


def print_methods() -> None:
    """Names, papers and options with their defaults."""
    for name in METHODS:
        kind = METHODS[name]
        print(f"{name}\n{textwrap.indent(_paper(kind), '    ')}")
        for f in fields(kind):
            default = "required" if f.default is MISSING else plain(f.default)
            names = (f.name,) if f.name != "control" else CONTROL if kind.takes_control else ()
            for written in names:
                print(f"      {written}={'' if default is None else default}")
        print()


def _paper(kind: type) -> str:
    """The class' own sentence, and the paper that its file opens with."""
    import sys

    head = (sys.modules[kind.__module__].__doc__ or "").strip().splitlines()[0]
    own = (kind.__doc__ or "").strip().split("\n\n")[0]
    return textwrap.fill(f"{head} {' '.join(own.split())}", 100)
