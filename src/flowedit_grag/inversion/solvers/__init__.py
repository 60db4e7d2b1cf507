"""One-step solvers, one a file. A new one is a file with a :class:`Solver` in it, named here or by its address."""

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
    return name if isinstance(name, Solver) else SOLVERS[name]


__all__ = ["SOLVERS", "Solver", "solver"]
