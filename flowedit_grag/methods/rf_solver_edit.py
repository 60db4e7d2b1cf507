"""RF-Solver-Edit (arXiv:2411.04746, §3.3): midpoint inversion whose values return in the noisiest steps."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from ..backbone.flow import Flow
from ..errors import InputError
from ..injection.hook import check_layers, hooked, layer_names
from ..injection.recorder import ValueRecorder
from ..inversion import Solver, Velocity
from ..progress import Progress
from .base import Method
from .inputs import Source, Steps, Targets

EVALUATIONS = 2  # of the velocity in a midpoint step


@dataclass(frozen=True, kw_only=True)
class RFSolverEdit(Method):
    """Invert recording V, sample injecting it.

    As published, V of all tokens is injected, text included, and the n-th evaluation of a sampling step takes what
    the n-th evaluation of the same inversion step left.

    Attributes:
        steps: of the schedule, each way.
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
        recorder = self._recorder(source)
        sigmas = flow.schedule(self.steps, x)[::-1]
        v = flow.velocity(source.condition, self.inversion_guidance)
        for step, (s0, s1) in enumerate(pairwise(sigmas), start=1):
            slot = self._first_slot(self.steps - step)
            x = _midpoint(_edited(flow, v, recorder.record, slot), x, s0, s1)
            yield Progress("invert", step, self.steps, x)
        return x, recorder

    def edit(self, source: Source, prepared: tuple[Tensor, ValueRecorder], targets: Targets) -> Steps:
        noise, recorder = prepared
        x = noise.expand(len(targets), -1, -1, -1)
        v = self.guided(source, targets, (self.guidance,) * len(targets), with_source=False)

        def inject(slot: int):
            return recorder.inject(slot, range(len(v.rows)))

        for step, (s0, s1) in enumerate(pairwise(source.flow.schedule(self.steps, noise)), start=1):
            x = _midpoint(_edited(source.flow, v, inject, self._first_slot(step - 1)), x, s0, s1)
            yield Progress("edit", step, self.steps, x)
        return x

    def _first_slot(self, step: int) -> int | None:
        """The recorder's slot for the first evaluation of a step, counted from noise; ``None``: not injected."""
        return EVALUATIONS * step if step < self.inject_steps else None

    def _recorder(self, source: Source) -> ValueRecorder:
        flow, layout = source.flow, source.layout
        config, layers = flow.transformer.config, self._layers(flow)
        shape = (1, layout.text + layout.tokens, config.num_attention_heads, config.attention_head_dim)
        return ValueRecorder(layers, EVALUATIONS * self.inject_steps, shape, flow.transformer.dtype, flow.device)

    def _layers(self, flow: Flow) -> tuple[int, ...]:
        count = len(layer_names(flow.transformer))
        layers = flow.profile.value_layers if self.value_layers is None else self.value_layers
        if layers is None:
            layers = tuple(range(count - flow.transformer.config.num_single_layers // 2, count))
        check_layers(layers, count)
        return layers


def _midpoint(v: Velocity, x: Tensor, s0: float, s1: float) -> Tensor:
    return Solver.of("midpoint").step(v, x, s0, s1, None)[0]


def _edited(flow: Flow, v: Velocity, edits_of, slot: int | None) -> Velocity:
    """``v`` with the edits of ``slot`` at its first evaluation, of ``slot + 1`` at its second."""
    if slot is None:
        return v
    slots = iter(range(slot, slot + EVALUATIONS))

    def evaluate(x: Tensor, sigma: float) -> Tensor:
        with hooked(flow.transformer, edits_of(next(slots))):
            return v(x, sigma)

    return evaluate
