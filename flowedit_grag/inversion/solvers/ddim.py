"""Euler with the velocity of the sigma stepped to: StableFlow's inversion (arXiv:2411.14430)."""

from ..solver import Solver


def step(v, x, s0, s1, memo=None):
    """First order, one evaluation. Undoes an Euler step exactly where the velocity does not depend on x."""
    return x + (s1 - s0) * v(x, s1), None


ddim = Solver("ddim", step, order=1, sampler="euler")
