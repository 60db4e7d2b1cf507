"""Inversion, shared by the methods that start from a source's own noise."""

from collections.abc import Sequence

from ..inversion import Solver, Velocity, trajectory
from ..progress import Progress
from .inputs import Steps


def inverted(v: Velocity, x, sigmas: Sequence[float], solver: Solver) -> Steps:
    """The path of ``x`` (at the last of the descending ``sigmas``) up to noise: a latent for each of ``sigmas``."""
    path = [x]
    for state in trajectory(v, x, sigmas[::-1], solver):
        path.append(state)
        yield Progress("invert", len(path) - 1, len(sigmas) - 1, state)
    return path[::-1]
