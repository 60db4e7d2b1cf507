"""One-step solvers, one a file. A new one is a file with a :class:`Solver` in it, named here or by its address."""

from ...errors import InputError
from ...registry import Registry
from .base import Solver

SOLVERS = Registry(
    "solver",
    __name__,
    {
        "euler": "euler:euler",
        "ddim": "ddim:ddim",
        "midpoint": "midpoint:midpoint",
        "fireflow": "fireflow:fireflow",
        "uni_inv": "uni_inv:uni_inv",
    },
)


def solver(name: str | Solver) -> Solver:
    """The solver called ``name``; a :class:`Solver` is returned as it is."""
    found = name if isinstance(name, Solver) else SOLVERS[name]
    if not isinstance(found, Solver):
        raise InputError(f"{name!r} is not a solver; it must be a flowedit_grag.inversion.Solver.")
    return found


__all__ = ["SOLVERS", "Solver", "solver"]
