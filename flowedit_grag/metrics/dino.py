"""DINO similarity."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Missing
from .comparison import Comparison, blackened
from .weights import pretrained


@dataclass(frozen=True, kw_only=True)
class DINO(Comparison):
    """Cosine of class tokens; ``model`` is a hub id or a folder, by default ICEdit's (arXiv:2504.20690, §B.4.2).

    Images are resized and cropped as in MagicBrush's evaluation, whose numbers the tables have.
    """

    stem: ClassVar = "dino"
    higher_is_better: ClassVar = True
    source: ClassVar = "Emu Edit (arXiv:2311.10089), MagicBrush (arXiv:2306.10012), ICEdit Tables 1 and 2"
    any_sizes: ClassVar = True

    model: str = "facebook/dino-vits16"

    @property
    def kind(self) -> str:
        return f"cosine of class tokens of {self.model}, the middle of pictures resized by their shorter side"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float | Missing:
        from .similarity import cosine
        from .vit import class_token, cropped

        loaded = pretrained("AutoModel", self.model)
        if isinstance(loaded, Missing):
            return loaded
        processor, network = loaded
        # one at a time: rows of a batch may round apart, and equal pictures must be equal
        first, second = (
            class_token(network, cropped(processor, blackened(image, where))) for image in (edited, reference)
        )
        return cosine(first, second)
