"""From one end of a schedule to the other."""

from collections.abc import Sequence

from torch import Tensor

from .solver import Solver, Velocity, trajectory


def integrate(v: Velocity, x: Tensor, sigmas: Sequence[float], solver: Solver) -> Tensor:
    """x at the last of ``sigmas``, which start where ``x`` is."""
    end = x
    for end in trajectory(v, x, sigmas, solver):  # noqa: B007 - only the last state is wanted
        pass
    return end
