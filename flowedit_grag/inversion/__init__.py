"""Numerical integration of dx/dsigma = v(x, sigma), in either direction."""

from .solver import SOLVERS, Solver, Velocity, evaluated_at, integrate, trajectory

__all__ = ["SOLVERS", "Solver", "Velocity", "evaluated_at", "integrate", "trajectory"]
