"""Structure distance: how far a picture's self-similarity under DINO moved."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .base import Missing
from .comparison import Comparison, blackened
from .weights import pretrained

if TYPE_CHECKING:
    import torch

MODEL = "facebook/dino-vitb8"  # PIE-Bench's


@dataclass(frozen=True, kw_only=True)
class Structure(Comparison):
    """Mean squared difference of the keys' self-similarities in the last layer; 0 is the same structure.

    This is PIE-Bench's measure on pictures scaled as DINO was trained on; ``pie_published_structure`` is its own. Of a
    region only its patches count, without the class token.
    """

    stem: ClassVar = "structure"
    higher_is_better: ClassVar = False
    source: ClassVar = "Splice (arXiv:2201.00424), PIE-Bench (arXiv:2310.01506), scaling of pixels corrected"

    model: str = MODEL

    @property
    def kind(self) -> str:
        return f"self-similarity of last-layer keys of {self.model}, its own processor"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float | Missing:
        from .vit import last_keys, patches_in, prepared

        loaded = pretrained("AutoModel", self.model)
        if isinstance(loaded, Missing):
            return loaded
        processor, network = loaded
        first, second = (
            last_keys(network, prepared(processor, blackened(image, where))) for image in (edited, reference)
        )
        if where is None:
            return structure_distance(first, second)
        patches = patches_in(processor, network, where)
        if not patches.any():
            return Missing(f"no patch lies {self.region} the mask")
        return structure_distance(first[1:][patches], second[1:][patches])


def self_similarity(keys: "torch.Tensor") -> "torch.Tensor":
    """Cosines ``[T, T]`` between all keys ``[T, D]`` of one picture."""
    norm = keys.norm(dim=1, keepdim=True)
    return keys @ keys.T / (norm @ norm.T).clamp(min=1e-8)


def structure_distance(first: "torch.Tensor", second: "torch.Tensor") -> float:
    """Mean squared difference of the self-similarities of keys ``[T, D]``."""
    return float(((self_similarity(first) - self_similarity(second)) ** 2).mean())
