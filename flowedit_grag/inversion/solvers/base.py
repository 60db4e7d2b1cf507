"""What a solver is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Step = Callable[[Callable[[Tensor, float], Tensor], Tensor, float, float, Any], tuple[Tensor, Any]]


@dataclass(frozen=True)
class Solver:
    """One step of any velocity field, in either direction.

    Attributes:
        name: as it is asked for.
        step: ``(v, x, s0, s1, memo) -> (x at s1, memo)``. ``memo`` is what the solver wants back at its next step,
            ``None`` at the first.
        order: global order of convergence.
        sampler: the solver that samples back what this one inverted, by name; ``None``: itself.
    """

    name: str
    step: Step
    order: int
    sampler: str | None = None

    @property
    def reverse(self) -> "Solver":
        """The solver to sample with after inverting with this one."""
        from . import solver

        return solver(self.sampler) if self.sampler else self
