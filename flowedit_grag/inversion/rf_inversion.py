"""RF-Inversion (arXiv:2410.10792): pull a flow towards a known end point. A velocity, not a solver."""

from torch import Tensor

from .solver import Velocity


def controlled(v: Velocity, end: Tensor, strength: float, sigma_end: float = 0.0) -> Velocity:
    """Blend ``v`` with the straight line to ``end``: ``(1 - strength) v(x, s) + strength (x - end) / (s - sigma_end)``.

    Args:
        end: where the controlled flow should arrive, shaped like x: the image while sampling (``sigma_end`` 0, the
            paper's eta, eq. 15), a noise sample while inverting (``sigma_end`` 1, gamma, eq. 8).
        strength: 0 leaves ``v`` alone, 1 goes straight to ``end``.

    The line has no direction where sigma has reached ``sigma_end``; there ``v`` alone is used.
    """

    def blended(x: Tensor, sigma: float) -> Tensor:
        if sigma == sigma_end:
            return v(x, sigma)
        return (1 - strength) * v(x, sigma) + strength * (x - end) / (sigma - sigma_end)

    return blended
