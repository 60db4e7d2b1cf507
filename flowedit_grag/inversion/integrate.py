"""The loop that strings a solver's steps together."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
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


def evaluated_at(sigmas: Sequence[float], solver: Solver) -> list[float]:
    """Where ``solver`` evaluates the velocity on its way along ``sigmas``, each place once, in order."""
    seen: dict[float, None] = {}

    def v(x: Tensor, sigma: float) -> Tensor:
        seen.setdefault(sigma)
        return x

    integrate(v, torch.zeros(1), sigmas, solver)
    return list(seen)
