"""True classifier-free guidance (arXiv:2207.12598): a velocity made of two velocities, in one forward call."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..backbone.attention_hook import HooksAt
from ..backbone.flow import Condition, Flow
from ..inversion.solver import Velocity


@dataclass(frozen=True)
class GuidedVelocity:
    """``v = v_negative + scale * (v_prompt - v_negative)`` for each row of x ``[B, C, h, w]``.

    Rows whose scale is 1 cost nothing extra. The others are evaluated a second time, with the negative prompt, in
    rows appended to the batch.

    Attributes:
        rows: for every row of the batch that the transformer sees, the row of x it belongs to. An attention hook
            meant for row r of x goes to all batch rows where ``rows`` is r.
    """

    flow: Flow
    condition: Condition
    guidance: tuple[float, ...]  # distilled guidance scale, one a row
    scales: tuple[float, ...]  # true classifier-free guidance scale, one a row
    negative: Condition | None = None  # one row
    hooks: HooksAt | None = None
    rows: tuple[int, ...] = field(init=False)
    _field: Velocity = field(init=False, repr=False)

    def __post_init__(self):
        guided = [row for row, scale in enumerate(self.scales) if scale != 1]
        rows = (*range(len(self.condition)), *guided)
        conditions = [self.condition, *(self.negative for _ in guided if self.negative is not None)]
        scales = [self.guidance[row] for row in rows]
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "_field", self.flow.velocity(Condition.cat(conditions), scales, self.hooks))

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        guided = list(self.rows[len(x) :])
        if not guided:
            return self._field(x, sigma)
        v, negative = self._field(x[list(self.rows)], sigma).split([len(x), len(guided)])
        scale = torch.tensor([self.scales[row] for row in guided], dtype=x.dtype, device=x.device).view(-1, 1, 1, 1)
        v[guided] = negative + scale * (v[guided] - negative)
        return v

    def hooked(self, hooks: HooksAt | None) -> "GuidedVelocity":
        """The same with attention ``hooks``, whose rows are those of the batch (:attr:`rows`)."""
        return replace(self, hooks=hooks)
