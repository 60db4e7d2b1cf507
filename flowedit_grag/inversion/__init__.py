"""Numerical integration of dx/dsigma = v(x, sigma), in either direction."""

from .solver import SOLVERS, Solver, Velocity, integrate, trajectory

__all__ = ["SOLVERS", "Solver", "Velocity", "integrate", "trajectory"]
