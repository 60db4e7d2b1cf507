"""Uni-Inv (arXiv:2504.13109): predict with the cached velocity, correct with the velocity found there."""

from ..solver import Solver


def step(v, x, s0, s1, memo=None):
    """First order, one evaluation after the first step's two: one fixed-point iteration of implicit Euler, which
    is what undoes an Euler step. ``memo`` is the last corrected velocity."""
    predictor = v(x, s0) if memo is None else memo
    velocity = v(x + (s1 - s0) * predictor, s1)
    return x + (s1 - s0) * velocity, velocity


uni_inv = Solver("uni_inv", step, order=1, sampler="euler")
