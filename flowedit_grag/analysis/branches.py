"""A picture under two descriptions at every noise level: what the figures about attention are measured on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..backbone.attention_hook import Hooks
from ..backbone.flow import Condition, TokenLayout
from ..backbone.image import ImageLike, read_image, resized
from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..progress import OnProgress, Progress
from ..seeds import generator

SOURCE, EDIT = 0, 1  # rows of the batch
GUIDANCE = 3.5  # distilled scale of both rows


@dataclass(frozen=True)
class Branches:
    """Source and edit of a picture as two rows of a batch, which differ in their words only.

    At every noise level of the schedule both are the picture with the same noise, as the branches of FlowEdit are
    before it has changed anything (arXiv:2412.08629), so that any model can be looked at and no step depends on the
    one before.
    """

    flow: ImageFlow
    latents: Tensor  # [1, C, h, w]
    noise: Tensor
    condition: Condition  # two rows
    sigmas: tuple[float, ...]

    @classmethod
    def of(
        cls, flow: ImageFlow, image: ImageLike, *, source_prompt: str, target_prompt: str, steps: int, seed: int = 0
    ) -> "Branches":
        """Raises :class:`InputError` for Fill models, and for pictures, words and steps that cannot be used."""
        if flow.fills:
            raise InputError(f"{flow.name or 'this model'} is a Fill model; the figures need a text-to-image model.")
        image = read_image(image)
        latents = flow.encode(resized(image, flow.fitted(image.size)))
        noise = torch.randn(latents.shape, generator=generator(seed), dtype=torch.float32).to(latents)
        sigmas = tuple(flow.schedule(steps, latents)[:-1])  # the model is never asked at 0
        return cls(flow, latents, noise, flow.condition([source_prompt, target_prompt]), sigmas)

    @property
    def layout(self) -> TokenLayout:
        """Which tokens are text and which image; the same in both rows."""
        return self.flow.layout(self.latents, self.condition)

    @torch.no_grad()
    def watched(self, hooks: Hooks, stage: str, on_progress: OnProgress | None = None) -> None:
        """One forward call a noise level, for the sake of what ``hooks`` keep of it."""
        v = self.flow.velocity(self.condition, GUIDANCE, hooks)
        for step, sigma in enumerate(self.sigmas, start=1):
            x = (1 - sigma) * self.latents + sigma * self.noise
            v(x.expand(2, -1, -1, -1), sigma)
            if on_progress:
                on_progress(Progress(stage, step, len(self.sigmas), x))
