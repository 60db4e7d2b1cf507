"""CLIP similarities: of picture and picture, and of picture and text."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .base import Images, OwnMetric
from .networks import cosine, prepared, pretrained
from .reference import ReferenceMetric, Region, blackened, region_suffix, selected

LAB_SOURCE = "flowedit_grag.lab: {}, by the lab's own CLIP"
MODEL = "openai/clip-vit-base-patch32"  # MagicBrush's, Emu Edit's and ICEdit's (arXiv:2504.20690, §B.4.2)


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

    stem: ClassVar = "clip_t"
    higher_is_better: ClassVar = True
    source: ClassVar = "CLIPScore (arXiv:2104.08718), unscaled; CLIP-T of MagicBrush, CLIP-out of Emu Edit and ICEdit"
    details: ClassVar = "cosine of image and text features of {model}"

    region: Region = "whole"
    model: str = MODEL

    @property
    def name(self) -> str:
        return f"{self.stem}{region_suffix(self.region)}"

    @property
    def variant(self) -> str:
        place = "whole picture" if self.region == "whole" else f"{self.region} the mask, black elsewhere"
        return f"{super().variant}; {place}, against the target caption"

    def score(self, images: Images) -> float:
        shown = blackened(images.edited, selected(images.mask, self.region))
        return cosine(*both_features(self.model, shown, images.target_prompt))


@dataclass(frozen=True, kw_only=True)
class LabCLIPI(CLIPI):
    """CLIP-I of lab pictures."""

    stem: ClassVar = "lab_clip_i"
    source: ClassVar = LAB_SOURCE.format("CLIP-I")

    model: str = "lab-clip"


@dataclass(frozen=True, kw_only=True)
class LabCLIPT(CLIPT):
    """CLIP-T of lab pictures and the lab's captions."""

    stem: ClassVar = "lab_clip_t"
    source: ClassVar = LAB_SOURCE.format("CLIP-T")

    model: str = "lab-clip"


@torch.inference_mode()
def image_feature(loaded: tuple[Any, Any], image: np.ndarray) -> Tensor:
    """CLIP's projected feature ``[D]`` of ``image`` ``[H, W, 3]`` uint8."""
    processor, network = loaded
    return network.get_image_features(prepared(processor, image).to(network.device)).pooler_output[0].cpu()


@torch.inference_mode()
def both_features(model: str, image: np.ndarray, text: str | None) -> tuple[Tensor, Tensor]:
    """The features ``[D]`` of ``image`` ``[H, W, 3]`` uint8 and ``text`` under ``model``."""
    if not text:
        raise InputError("the sample has no target prompt")
    processor, network = loaded = pretrained("CLIPModel", model)
    words = processor(text=[text], return_tensors="pt", truncation=True).to(network.device)
    return image_feature(loaded, image), network.get_text_features(**words).pooler_output[0].cpu()
