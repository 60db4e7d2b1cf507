"""Numerical integration of dx/dsigma = v(x, sigma), in either direction."""

from .integrate import Velocity, evaluated_at, integrate, trajectory
from .solvers import SOLVERS, Solver, solver

__all__ = ["SOLVERS", "Solver", "Velocity", "evaluated_at", "integrate", "solver", "trajectory"]
