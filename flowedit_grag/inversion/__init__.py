"""Numerical integration of dx/dsigma = v(x, sigma), in either direction."""

from .integrate import integrate
from .solver import SOLVERS, Solver, Velocity, trajectory

__all__ = ["SOLVERS", "Solver", "Velocity", "integrate", "trajectory"]
