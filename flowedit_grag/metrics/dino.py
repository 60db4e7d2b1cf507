"""What DINO says of two pictures: how alike they are, and how far their structure moved."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from ..errors import InputError
from .networks import class_token, cosine, cropped, last_keys, patches_in, prepared, pretrained
from .reference import ReferenceMetric, blackened

PIE_MODEL = "facebook/dino-vitb8"


@dataclass(frozen=True, kw_only=True)
class DINO(ReferenceMetric):
    """Cosine of class tokens; ``model`` is a hub id or a folder, by default ICEdit's (arXiv:2504.20690, §B.4.2).

    Images are resized and cropped as in MagicBrush's evaluation, whose numbers the tables have.
    """

    stem: ClassVar = "dino"
    higher_is_better: ClassVar = True
    source: ClassVar = "Emu Edit (arXiv:2311.10089), MagicBrush (arXiv:2306.10012), ICEdit Tables 1 and 2"
    any_sizes: ClassVar = True
    details: ClassVar = "cosine of class tokens of {model}, the middle of pictures resized by their shorter side"

    model: str = "facebook/dino-vits16"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        processor, network = pretrained("AutoModel", self.model)
        # one at a time: rows of a batch may round apart, and equal pictures must be equal
        first, second = (
            class_token(network, cropped(processor, blackened(image, where))) for image in (edited, reference)
        )
        return cosine(first, second)


@dataclass(frozen=True, kw_only=True)
class Structure(ReferenceMetric):
    """Mean squared difference of the keys' self-similarities in the last layer; 0 is the same structure.

    This is PIE-Bench's measure on pictures scaled as DINO was trained on; ``pie_published_structure`` is its own. Of a
    region only its patches count, without the class token.
    """

    stem: ClassVar = "structure"
    higher_is_better: ClassVar = False
    source: ClassVar = "Splice (arXiv:2201.00424), PIE-Bench (arXiv:2310.01506), scaling of pixels corrected"
    details: ClassVar = "self-similarity of last-layer keys of {model}, its own processor"

    model: str = PIE_MODEL

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        processor, network = pretrained("AutoModel", self.model)
        first, second = (
            last_keys(network, prepared(processor, blackened(image, where))) for image in (edited, reference)
        )
        if where is None:
            return structure_distance(first, second)
        patches = patches_in(processor, network, where)
        if not patches.any():
            raise InputError(f"no patch lies {self.region} the mask")
        return structure_distance(first[1:][patches], second[1:][patches])


def self_similarity(keys: Tensor) -> Tensor:
    """Cosines ``[T, T]`` between all keys ``[T, D]`` of one picture."""
    norm = keys.norm(dim=1, keepdim=True)
    return keys @ keys.T / (norm @ norm.T).clamp(min=1e-8)


def structure_distance(first: Tensor, second: Tensor) -> float:
    """Mean squared difference of the self-similarities of keys ``[T, D]``."""
    return float(((self_similarity(first) - self_similarity(second)) ** 2).mean())
