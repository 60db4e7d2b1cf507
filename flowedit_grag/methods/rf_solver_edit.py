"""RF-Solver-Edit (arXiv:2411.04746, §3.3): midpoint inversion whose values return in the noisiest steps."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor

from ..errors import InputError
from ..injection.recorder import ValueRecorder
from ..inversion.solver import trajectory
from ..inversion.solvers.midpoint import midpoint
from ..progress import Progress
from .base import Method
from .inputs import Source, Steps, Targets, inverted

EVALUATIONS = 2  # of the velocity in a midpoint step


@dataclass(frozen=True, kw_only=True)
class RFSolverEdit(Method):
    """Invert recording V, sample injecting it.

    As published, V of all tokens is injected, text included, and the n-th evaluation of a sampling step takes what
    the n-th evaluation of the same inversion step left.

    Attributes:
        steps: number of sampling steps, each way.
        inject_steps: how many of the noisiest steps inject.
        value_layers: attention layers that do; by default the model's own, or else the second half of its
            single-stream blocks.
        inversion_guidance: guidance scale of the source.
        guidance: guidance scale of the edits.
    """

    steps: int = 15
    inject_steps: int = 2
    value_layers: tuple[int, ...] | None = None
    inversion_guidance: float = 1.0
    guidance: float = 2.0
    source_beside: ClassVar[bool] = False

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.inject_steps <= self.steps:
            raise InputError(f"inject_steps must lie in 0..steps, not {self.inject_steps} of {self.steps}.")

    def prepare(self, source: Source) -> Steps:
        """The source's noise, and the recorder that was filled on the way there."""
        flow, x = source.flow, source.latents
        recorder, sigmas = self._recorder(source), flow.schedule(self.steps, x)
        slots = self._slots(sigmas, inverting=True)
        hooks = lambda sigma: recorder.record(slots[sigma]) if sigma in slots else {}  # noqa: E731
        v = flow.velocity(source.condition, self.inversion_guidance, hooks)
        path = yield from inverted(v, x, sigmas, midpoint)
        return path[0], recorder

    def edit(self, source: Source, prepared: tuple[Tensor, ValueRecorder], targets: Targets) -> Steps:
        noise, recorder = prepared
        v = self.guided(source, targets, (self.guidance,) * len(targets), with_source=False)
        sigmas, rows = source.flow.schedule(self.steps, noise), range(len(v.rows))
        slots = self._slots(sigmas, inverting=False)
        v = v.hooked(lambda sigma: recorder.inject(slots[sigma], rows) if sigma in slots else {})
        x = noise.expand(len(targets), -1, -1, -1)
        for step, state in enumerate(trajectory(v, x, sigmas, midpoint), start=1):
            x = state
            yield Progress("edit", step, self.steps, x)
        return x

    def _slots(self, sigmas: list[float], inverting: bool) -> dict[float, int]:
        """The recorder's slot of each sigma where a step that injects evaluates: at its start, and in the middle.
        Steps are counted from noise; inversion starts them at their lower end."""
        slots: dict[float, int] = {}
        for step, (high, low) in enumerate(pairwise(sigmas[: self.inject_steps + 1])):
            start, end = (low, high) if inverting else (high, low)
            slots |= {start: EVALUATIONS * step, (start + end) / 2: EVALUATIONS * step + 1}
        return slots

    def _recorder(self, source: Source) -> ValueRecorder:
        layout = source.layout
        flow: Any = source.flow
        config = flow.transformer.config
        layers = flow.value_layers if self.value_layers is None else self.value_layers
        shape = (1, layout.text + layout.tokens, config.num_attention_heads, config.attention_head_dim)
        return ValueRecorder(layers, EVALUATIONS * self.inject_steps, shape, flow.transformer.dtype, flow.device)
