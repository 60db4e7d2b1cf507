"""Numerical integration of dx/dsigma = v(x, sigma), in either direction."""

from .integrate import Velocity, integrate, trajectory
from .solvers import SOLVERS, Solver, solver

__all__ = ["SOLVERS", "Solver", "Velocity", "integrate", "solver", "trajectory"]
