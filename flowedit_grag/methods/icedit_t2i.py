"""ICEdit's training-free framework (arXiv:2504.20690, §3.1, §B.2): a text-to-image model draws a diptych whose left
panel is the inverted source."""

import logging
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ..backbone.attention_hook import Hooks, compose
from ..backbone.flow import TokenLayout
from ..injection.recorder import ValueRecorder, recording_bytes
from ..inversion import Solver, integrate
from .diptych import DiptychMethod, denoised
from .inputs import Source, Steps, Targets, inverted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """The source's noise ``[1, C, h, w]``, and its values at every sigma where the solver evaluated."""

    noise: Tensor
    recorder: ValueRecorder
    sigmas: list[float]


@dataclass(frozen=True, kw_only=True)
class ICEditT2I(DiptychMethod):
    """Invert recording V of every layer and step; sample a diptych from the inverted noise on the left and fresh noise
    on the right, with the recorded V in the left panel's tokens. V is recorded where the inversion's solver evaluates
    closest to the noise levels of the sampling.

    Attributes:
        inversion_guidance: guidance scale of the source.
        solver: of the inversion.
        value_layers: attention layers that record and inject; by default all.
        record_on: where the values are kept: beside the model, or in the CPU's memory.
    """

    steps: int = 28
    guidance: float = 3.5
    inversion_guidance: float = 1.0
    solver: Solver = Solver.of("midpoint")
    value_layers: tuple[int, ...] | None = None
    record_on: Literal["model", "cpu"] = "model"

    def context(self, source: Source) -> Steps:
        """Invert the source. The recorder's size is logged before it starts."""
        flow, x = source.flow, source.latents
        sigmas = flow.schedule(self.steps, torch.cat([x, x], dim=-1))  # the diptych's own
        visited = evaluated_at(sigmas[::-1], self.solver)
        places = sorted({min(visited, key=lambda place: abs(place - sigma)) for sigma in sigmas[:-1]})
        recorder = self._recorder(source, len(places))
        hooks = lambda sigma: recorder.record(places.index(sigma)) if sigma in places else {}  # noqa: E731
        v = flow.velocity(source.condition, self.inversion_guidance, hooks)
        path = yield from inverted(v, x, sigmas, self.solver)
        return Recording(path[0], recorder, places)

    def canvas(self, source: Source) -> TokenLayout:
        return replace(source.layout, width=2 * source.layout.width)

    def start(self, source: Source, context: Recording) -> Tensor:
        return torch.cat([context.noise, next(source.noise)], dim=-1)

    def sample(self, source: Source, context: Recording, x: Tensor, targets: Targets, sigmas: list[float]) -> Steps:
        """With the left panel's recorded values, and the controls on that panel."""
        v = self.guided(source, targets, (self.guidance,) * len(targets), with_source=False)
        left, rows = self.left(self.canvas(source), targets, v.rows), range(len(v.rows))

        def hooks(sigma: float) -> Hooks:
            slot = min(range(len(context.sigmas)), key=lambda slot: abs(context.sigmas[slot] - sigma))  # the nearest
            values = context.recorder.inject(slot, rows, left.tokens)
            return {layer: hook if left.is_identity else compose(hook, left) for layer, hook in values.items()}

        return (yield from denoised(v.hooked(hooks), x, sigmas))

    def _recorder(self, source: Source, slots: int) -> ValueRecorder:
        flow, layout = source.flow, source.layout
        config = flow.transformer.config
        layers = tuple(range(flow.layers)) if self.value_layers is None else self.value_layers
        shape = (1, layout.tokens, config.num_attention_heads, config.attention_head_dim)
        device = flow.device if self.record_on == "model" else torch.device("cpu")
        size = recording_bytes(flow.transformer, layout.tokens, len(layers), slots)
        log.info("recording values of %d layers at %d noise levels: %.1f MB", len(layers), slots, size / 1e6)
        return ValueRecorder(layers, slots, shape, flow.transformer.dtype, device, layout.image)


def evaluated_at(sigmas: list[float], solver: Solver) -> list[float]:
    """Where ``solver`` evaluates the velocity on its way along ``sigmas``, each place once, in order."""
    seen: dict[float, None] = {}

    def v(x: Tensor, sigma: float) -> Tensor:
        seen.setdefault(sigma)
        return x

    integrate(v, torch.zeros(1), sigmas, solver)
    return list(seen)
