"""PIE-Bench's published protocol (Direct Inversion, arXiv:2310.01506), bit for bit, quirks included.

For comparison with published tables; the group ``pie`` asks the same without the quirks, which are:

- the mask's one-pixel border always counts as edited;
- what is outside the mask is measured on pictures that are black inside, but *averaged over the whole picture*: the
  larger the area that may change, the better the score;
- the structure distance feeds pixels of 0..255 to a normalisation that is meant for 0..1;
- negative CLIP scores are raised to 0;
- a full mask gives "nan", here missing: leave these samples out, and count them.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from ..errors import InputError
from .base import Images, OwnMetric, given
from .clip import both_features
from .dino import PIE_MODEL as DINO_MODEL
from .dino import structure_distance
from .lpips import lpips
from .networks import last_keys, pretrained, unscaled
from .ssim import from_torchmetrics

SOURCE = "PIE-Bench as published (Direct Inversion, arXiv:2310.01506)"
UNEDITED = "black inside the bordered mask, averaged over the whole picture"


class Unedited(OwnMetric):
    """A measure of what lies outside the mask, in float32, averaged over the whole picture."""

    source: ClassVar = SOURCE
    function: ClassVar[str]  # torchmetrics' name of it, if it has one

    def compare(self, edited: np.ndarray, source: np.ndarray) -> float:
        """The number for two ``[H, W, 3]`` uint8 that are black inside the mask."""
        return float(from_torchmetrics(self.function)(*_unit(edited, source), data_range=1.0))

    def score(self, images: Images) -> float:
        outside = ~bordered(given(images.mask, "mask"))[..., None]
        if not outside.any():
            raise InputError("nothing lies outside the mask")
        return self.compare(images.edited * outside, images.source * outside)


class PublishedPSNR(Unedited):
    """dB; infinity where nothing changed outside."""

    name: ClassVar = "pie_published_psnr"
    higher_is_better: ClassVar = True
    details: ClassVar = f"dB, float32; {UNEDITED}"
    function = "peak_signal_noise_ratio"


class PublishedMSE(Unedited):
    """Mean squared difference of pixels in 0..1."""

    name: ClassVar = "pie_published_mse"
    higher_is_better: ClassVar = False
    details: ClassVar = f"pixels in 0..1, float32; {UNEDITED}"

    def compare(self, edited: np.ndarray, source: np.ndarray) -> float:
        a, b = (image.contiguous() for image in _unit(edited, source))  # sums depend on the order in memory
        return float(((a - b) ** 2).sum() / a.numel())


class PublishedSSIM(Unedited):
    """Structural similarity."""

    name: ClassVar = "pie_published_ssim"
    higher_is_better: ClassVar = True
    details: ClassVar = f"torchmetrics' Gaussian window, float32; {UNEDITED}"
    function = "structural_similarity_index_measure"


@dataclass(frozen=True, kw_only=True)
class PublishedLPIPS(Unedited):
    """LPIPS; ``weights`` as for :class:`~.lpips.LPIPS`."""

    name: ClassVar = "pie_published_lpips"
    higher_is_better: ClassVar = False
    details: ClassVar = f"LPIPS 0.1, squeeze; {UNEDITED}"

    weights: str | None = None

    def compare(self, edited: np.ndarray, source: np.ndarray) -> float:
        return lpips("squeeze", self.weights, edited, source, None)


@dataclass(frozen=True, kw_only=True)
class PublishedStructure(OwnMetric):
    """Structure distance of the whole pictures, on pixels of 0..255."""

    name: ClassVar = "pie_published_structure"
    higher_is_better: ClassVar = False
    source: ClassVar = SOURCE
    details: ClassVar = "self-similarity of last-layer keys of {model}, pixels 0..255 in ImageNet's normalisation"

    model: str = DINO_MODEL

    def score(self, images: Images) -> float:
        processor, network = pretrained("AutoModel", self.model)
        keys = [
            last_keys(network, unscaled(processor, image, network.config.image_size))
            for image in (images.edited, images.source)
        ]
        return structure_distance(*keys)


@dataclass(frozen=True, kw_only=True)
class PublishedCLIP(OwnMetric):
    """CLIP score of the edited picture and the target prompt, 0..100."""

    name: ClassVar = "pie_published_clip"
    higher_is_better: ClassVar = True
    source: ClassVar = SOURCE
    details: ClassVar = "100 x cosine under {model}, not below 0; whole picture"

    model: str = "openai/clip-vit-large-patch14"

    def shown(self, images: Images) -> np.ndarray:
        """What CLIP sees, ``[H, W, 3]`` uint8."""
        return images.edited

    def score(self, images: Images) -> float:
        features = both_features(self.model, self.shown(images), images.target_prompt)
        one, other = (feature / feature.norm(p=2, dim=-1, keepdim=True) for feature in features)
        score = float(100 * (one * other).sum(dim=-1))  # in the features' own precision, as published
        return 0.0 if score < 0 else score  # nan stays nan


class PublishedCLIPEdited(PublishedCLIP):
    """The same of the edited part, with black outside the mask."""

    name: ClassVar = "pie_published_clip_edited"
    details: ClassVar = "100 x cosine under {model}, not below 0; black outside the bordered mask"

    def shown(self, images: Images) -> np.ndarray:
        return images.edited * bordered(given(images.mask, "mask"))[..., None]


def bordered(mask: np.ndarray) -> np.ndarray:
    """``mask`` ``[H, W]`` bool with its outermost pixels set, "to avoid annotation errors"."""
    full = np.ones_like(mask)
    full[1:-1, 1:-1] = mask[1:-1, 1:-1]
    return full


def _unit(*images: np.ndarray) -> list[torch.Tensor]:
    """``[H, W, 3]`` uint8 as ``[1, 3, H, W]`` float32 in 0..1."""
    return [torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None] for image in images]
