"""Explicit Euler."""

from ..solver import Solver


def step(v, x, s0, s1, memo=None):
    """First order, one evaluation."""
    return x + (s1 - s0) * v(x, s0), None


euler = Solver("euler", step, order=1)
