"""Explicit midpoint, which RF-Solver (arXiv:2411.04746, eq. 9) is once its finite difference is written out."""

from ..solver import Solver


def step(v, x, s0, s1, memo=None):
    """Second order, two evaluations."""
    middle = (s0 + s1) / 2
    return x + (s1 - s0) * v(x + (middle - s0) * v(x, s0), middle), None


midpoint = Solver("midpoint", step, order=2)
