"""FireFlow (arXiv:2412.07517): midpoint that reuses the last midpoint velocity as its predictor."""

from ..solver import Solver


def step(v, x, s0, s1, memo=None):
    """Second order, one evaluation after the first step's two. ``memo`` is the last midpoint velocity."""
    middle = (s0 + s1) / 2
    predictor = v(x, s0) if memo is None else memo
    velocity = v(x + (middle - s0) * predictor, middle)
    return x + (s1 - s0) * velocity, velocity


fireflow = Solver("fireflow", step, order=2)
