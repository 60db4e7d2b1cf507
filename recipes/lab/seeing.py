"""What the Fill model learns besides: to see what the left panel shows, and to know what the right one is to show.

FLUX.1-Fill brings recognition along from its pre-training. The lab's has to find "the star" in a picture first, which
the velocity alone teaches slowly: few tokens depend on it.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flowedit_grag.lab.render import coverage
from flowedit_grag.lab.scene import Scene
from flowedit_grag.lab.world import ATTRIBUTES, IMAGE_SIZE

from .data import panels
from .latents import TOKEN
from .reading import UNKNOWN, attributes, reader, reading_loss

WEIGHT = 0.1  # beside the flow's loss
COVERED = 0.25  # of a token, from which on it shows an item
GRID = IMAGE_SIZE // TOKEN
LEFT, RIGHT = "transformer_blocks.2", "single_transformer_blocks.3"  # after which the panels' tokens are read


class Sight(nn.Module):
    """Linear readers of a transformer's features: of the left panel early, of the right one late."""

    def __init__(self, transformer: Any):
        super().__init__()
        width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
        self.left, self.right = reader(width), reader(width)
        self.features: dict[str, Tensor] = {}
        for place in (LEFT, RIGHT):
            transformer.get_submodule(place).register_forward_hook(self._keep(place))

    def _keep(self, place: str):
        def keep(block, args, output) -> None:
            self.features[place] = output[1].float()  # of the picture; the text's are the first

        return keep

    def loss(self, numbers: np.ndarray) -> Tensor:
        """Of the last forward call, which was of diptychs with these ``numbers``."""
        labels = torch.from_numpy(np.stack([shown(int(number)) for number in numbers])).long()
        parts = []
        for head, place, side in ((self.left, LEFT, 0), (self.right, RIGHT, 1)):
            of_panel = self.features[place].unflatten(1, (GRID, 2, GRID))[:, :, side].flatten(1, 2)
            parts.append(reading_loss(head(of_panel), labels[:, :, side].flatten(1, 2).to(of_panel.device)))
        return torch.stack(parts).sum()


@cache
def shown(number: int) -> np.ndarray:
    """The attributes of the item that each token of training diptych ``number`` shows, as indices of their values,
    ``[rows, 2, columns, attributes]`` int8; ``UNKNOWN`` where it shows none."""
    return np.stack([_shown(scene) for scene in panels("diptychs", number)], axis=1)


def _shown(scene: Scene) -> np.ndarray:
    found = np.full((GRID, GRID, len(ATTRIBUTES)), UNKNOWN, np.int8)
    for item in scene.items:
        share = coverage(item, (IMAGE_SIZE, IMAGE_SIZE)).reshape(GRID, TOKEN, GRID, TOKEN).mean(axis=(1, 3))
        found[share >= COVERED] = attributes(item)
    return found
