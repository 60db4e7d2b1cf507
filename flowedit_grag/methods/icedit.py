"""ICEdit (arXiv:2504.20690): a diptych whose right panel a Fill model paints from an instruction."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from PIL import Image
from torch import Tensor

from ..backbone.flow import Flow
from ..backbone.image import padded
from .diptych import DiptychMethod, denoised
from .inputs import Source, Steps, Targets
from .panels import side_by_side


@dataclass(frozen=True, kw_only=True)
class ICEdit(DiptychMethod):
    """The source is the left panel, the right one is masked (§3.1). Use it with an adapter (§3.2)."""

    fills: ClassVar[bool] = True

    def encode(self, flow: Flow, image: Image.Image) -> Tensor:
        """The source beside a masked panel ``[1, C, h, 2w]``; both padded by reflection."""
        panel = padded(image, flow.multiple)
        sheet = side_by_side(panel, panel)
        masked = np.broadcast_to(np.arange(sheet.width) >= sheet.width // 2, (sheet.height, sheet.width))
        return flow.encode(sheet, masked.copy())

    def start(self, source: Source, context: None) -> Tensor:
        return next(source.noise)

    def sample(self, source: Source, context: None, x: Tensor, targets: Targets, sigmas: list[float]) -> Steps:
        flow, layout = source.flow, source.layout
        filling = replace(source, flow=flow.filling(source.latents, layout.width // 2))
        v = self.guided(filling, targets, (self.guidance,) * len(targets), with_source=False)
        left = self.left(layout, targets, v.rows)
        v = v.hooked({} if left.is_identity else dict.fromkeys(range(flow.layers), left))
        return (yield from denoised(v, x, sigmas))
