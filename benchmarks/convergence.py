"""Orders of convergence: the slope of the error against the step, on fields whose solution scipy knows."""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from flowedit_grag.inversion import Solver, integrate

STEPS = (64, 128, 256, 512)


def pendulum(x: Tensor, sigma: float) -> Tensor:
    """Non-linear, driven, in two dimensions: ``[..., 2]``."""
    angle, speed = x[..., 0], x[..., 1]
    return torch.stack([speed, -4 * torch.sin(angle) + math.cos(3 * sigma)], dim=-1)


def spiral(x: Tensor, sigma: float) -> Tensor:
    """A spiral whose rate depends on sigma and on the radius."""
    a, b = x[..., 0], x[..., 1]
    rate = 1 + sigma**2 + a**2 + b**2
    return torch.stack([-0.5 * a - rate * b, rate * a - 0.5 * b], dim=-1)


FIELDS: dict[str, Callable[[Tensor, float], Tensor]] = {"pendulum": pendulum, "spiral": spiral}
START = (0.8, 0.3)


def order(solver: Solver, field: Callable[[Tensor, float], Tensor], s0: float = 0.0, s1: float = 1.0) -> float:
    """Measured global order of ``solver`` on ``field`` from ``s0`` to ``s1``."""
    exact = solve_ivp(lambda sigma, x: field(torch.from_numpy(x), sigma).numpy(), (s0, s1), START,
                      method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]  # fmt: skip
    start, errors = torch.tensor(START, dtype=torch.float64), []
    for steps in STEPS:
        end = integrate(field, start, np.linspace(s0, s1, steps + 1).tolist(), solver)
        errors.append(np.abs(end.numpy() - exact).max())
    return float(-np.polyfit(np.log(STEPS), np.log(errors), 1)[0])
