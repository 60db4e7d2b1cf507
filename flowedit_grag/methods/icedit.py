"""ICEdit (arXiv:2504.20690): a diptych whose right panel a Fill model paints from an instruction."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from .diptych import DiptychMethod, denoised
from .inputs import Source, Steps, Targets


@dataclass(frozen=True, kw_only=True)
class ICEdit(DiptychMethod):
    """The source is the left panel, the right one is masked (§3.1). Use it with an adapter (§3.2)."""

    fills: ClassVar[bool] = True

    def start(self, source: Source, context: None) -> Tensor:
        return next(source.noise)

    def sample(self, source: Source, context: None, x: Tensor, targets: Targets, sigmas: list[float]) -> Steps:
        layout = source.layout
        flow: Any = source.flow  # one that fills
        filling = replace(source, flow=flow.filling(source.latents, layout.width // 2))
        v = self.guided(filling, targets, (self.guidance,) * len(targets), with_source=False)
        left = self.left(layout, targets, v.rows)
        v = v.hooked({} if left.is_identity else dict.fromkeys(range(flow.layers), left))
        return (yield from denoised(v, x, sigmas))
