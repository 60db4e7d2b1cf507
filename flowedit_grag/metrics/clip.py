"""CLIP similarities: of picture and picture, and of picture and text."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from .base import Images, OwnMetric
from .reference import ReferenceMetric, Region, blackened, region_suffix, selected
from .weights import cosine, pretrained

MODEL = "openai/clip-vit-base-patch32"  # MagicBrush's, Emu Edit's and ICEdit's (arXiv:2504.20690, §B.4.2)
PIE_MODEL = "openai/clip-vit-large-patch14"


@dataclass(frozen=True, kw_only=True)
class CLIPI(ReferenceMetric):
    """CLIP-I: cosine of the features of two pictures; ``model`` is a hub id or a folder."""

    stem: ClassVar = "clip_i"
    higher_is_better: ClassVar = True
    source: ClassVar = "Emu Edit (arXiv:2311.10089), MagicBrush (arXiv:2306.10012), ICEdit Tables 1 and 2"
    any_sizes: ClassVar = True
    details: ClassVar = "cosine of image features of {model}"

    model: str = MODEL

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        loaded = pretrained("CLIPModel", self.model)
        return cosine(*(image_feature(loaded, blackened(image, where)) for image in (edited, reference)))


@dataclass(frozen=True, kw_only=True)
class CLIPT(OwnMetric):
    """CLIP-T, also CLIP-out: cosine of the edited picture's and the target caption's features.

    A region is seen with black elsewhere. A text longer than CLIP reads is cut.
    """

    higher_is_better: ClassVar = True
    source: ClassVar = "CLIPScore (arXiv:2104.08718), unscaled; CLIP-T of MagicBrush, CLIP-out of Emu Edit and ICEdit"
    details: ClassVar = "cosine of image and text features of {model}"

    region: Region = "whole"
    model: str = MODEL

    @property
    def name(self) -> str:
        return f"clip_t{region_suffix(self.region)}"

    @property
    def variant(self) -> str:
        place = "whole picture" if self.region == "whole" else f"{self.region} the mask, black elsewhere"
        return f"{super().variant}; {place}, against the target caption"

    def score(self, images: Images) -> float:
        shown = blackened(images.edited, selected(images.mask, self.region))
        return cosine(*both_features(self.model, shown, images.target_prompt))


def both_features(model: str, image: np.ndarray, text: str | None) -> tuple[Any, Any]:
    """The features ``[D]`` of ``image`` ``[H, W, 3]`` uint8 and ``text`` under ``model``."""
    if not text:
        raise InputError("the sample has no target prompt")
    loaded = pretrained("CLIPModel", model)
    return image_feature(loaded, image), text_feature(loaded, text)


def image_feature(loaded: tuple[Any, Any], image: np.ndarray) -> Any:
    """CLIP's projected feature ``[D]`` of ``image`` ``[H, W, 3]`` uint8."""
    import torch

    processor, network = loaded
    inputs = processor(images=[image], return_tensors="pt", input_data_format="channels_last")
    with torch.inference_mode():
        return network.get_image_features(inputs["pixel_values"].to(network.device)).pooler_output[0].cpu()


def text_feature(loaded: tuple[Any, Any], text: str) -> Any:
    """CLIP's projected feature ``[D]`` of ``text``."""
    import torch

    processor, network = loaded
    inputs = processor(text=[text], return_tensors="pt", truncation=True).to(network.device)
    with torch.inference_mode():
        return network.get_text_features(**inputs).pooler_output[0].cpu()
