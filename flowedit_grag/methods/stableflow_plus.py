"""StableFlow+ (GRAG, arXiv:2510.24657, §6.1): Stable Flow with second-order inversion."""

from dataclasses import dataclass

from ..inversion.solver import Solver
from .stableflow import StableFlow


@dataclass(frozen=True, kw_only=True)
class StableFlowPlus(StableFlow):
    """StableFlow with second-order inversion and sampling: ``midpoint``, or ``fireflow`` at half the NFE."""

    solver: Solver = Solver.of("midpoint")
