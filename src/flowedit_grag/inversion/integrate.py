"""The loop that strings a solver's steps together."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from .solvers import Solver

Velocity = Callable[[Tensor, float], Tensor]


def trajectory(v: Velocity, x: Tensor, sigmas: Sequence[float], solver: Solver) -> Iterator[Tensor]:
    """Yield x at ``sigmas[1]``, ``sigmas[2]``, ... . Descending sigmas generate, ascending ones invert."""
    memo = None
    for s0, s1 in pairwise(sigmas):
        x, memo = solver.step(v, x, s0, s1, memo)
        yield x


def integrate(v: Velocity, x: Tensor, sigmas: Sequence[float], solver: Solver) -> Tensor:
    """x at the last of ``sigmas``, which start where ``x`` is."""
    end = x
    for end in trajectory(v, x, sigmas, solver):  # noqa: B007 - only the last state is wanted
        pass
    return end
