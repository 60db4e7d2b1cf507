"""What a solver is, and the loop that strings its steps together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..registry import Registry

Velocity = Callable[[Tensor, float], Tensor]
Step = Callable[[Velocity, Tensor, float, float, Any], tuple[Tensor, Any]]
NAMES = ("euler", "ddim", "midpoint", "fireflow", "uni_inv")  # each is one of the files in solvers/
SOLVERS = Registry("solver", f"{__package__}.solvers", {name: f"{name}:{name}" for name in NAMES})


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
        return Solver.of(self.sampler) if self.sampler else self

    @classmethod
    def of(cls, value: "str | Solver") -> "Solver":
        """The solver of a name or an address; a :class:`Solver` is returned as it is."""
        found = value if isinstance(value, Solver) else SOLVERS[value]
        if not isinstance(found, Solver):
            raise InputError(f"{value!r} is no solver; it must be a flowedit_grag.inversion.Solver.")
        return found


def trajectory(v: Velocity, x: Tensor, sigmas: Sequence[float], solver: Solver) -> Iterator[Tensor]:
    """Yield x at ``sigmas[1]``, ``sigmas[2]``, ... . Descending sigmas generate, ascending ones invert."""
    memo = None
    for s0, s1 in pairwise(sigmas):
        x, memo = solver.step(v, x, s0, s1, memo)
        yield x
