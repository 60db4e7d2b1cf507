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
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import InputError
from ..options import check_options
from .base import Images, Missing
from .clip import PIE_MODEL, both_features
from .comparison import number
from .lpips import lpips
from .structure import MODEL, structure_distance
from .weights import pretrained

if TYPE_CHECKING:
    import torch

SOURCE = "PIE-Bench as published (Direct Inversion, arXiv:2310.01506)"
UNEDITED = "black inside the bordered mask, averaged over the whole picture"


@dataclass(frozen=True, kw_only=True)
class Unedited:
    """A measure of what lies outside the mask, in float32, averaged over the whole picture."""

    source: ClassVar = SOURCE

    def compare(self, edited: np.ndarray, source: np.ndarray) -> float | Missing:
        """The number for two ``[H, W, 3]`` uint8 that are black inside the mask."""
        raise NotImplementedError

    def __call__(self, images: Images) -> float | Missing:
        if images.mask is None or isinstance(images.mask, Missing):
            return images.mask or Missing("the sample has no mask")
        outside = ~bordered(images.mask)[..., None]
        if not outside.any():
            return Missing("nothing lies outside the mask")
        try:
            return self.compare(images.edited * outside, images.source * outside)
        except InputError as error:  # torchmetrics is not installed
            return Missing(str(error))


@dataclass(frozen=True, kw_only=True)
class PublishedPSNR(Unedited):
    """dB; infinity where nothing changed outside."""

    name: ClassVar = "pie_published_psnr"
    higher_is_better: ClassVar = True
    variant: ClassVar = f"dB, float32; {UNEDITED}"

    def compare(self, edited: np.ndarray, source: np.ndarray) -> float:
        return float(_torchmetrics("peak_signal_noise_ratio")(*_unit(edited, source), data_range=1.0))


@dataclass(frozen=True, kw_only=True)
class PublishedMSE(Unedited):
    """Mean squared difference of pixels in 0..1."""

    name: ClassVar = "pie_published_mse"
    higher_is_better: ClassVar = False
    variant: ClassVar = f"pixels in 0..1, float32; {UNEDITED}"

    def compare(self, edited: np.ndarray, source: np.ndarray) -> float:
        a, b = (image.contiguous() for image in _unit(edited, source))  # sums depend on the order in memory
        return float(((a - b) ** 2).sum() / a.numel())


@dataclass(frozen=True, kw_only=True)
class PublishedSSIM(Unedited):
    """Structural similarity."""

    name: ClassVar = "pie_published_ssim"
    higher_is_better: ClassVar = True
    variant: ClassVar = f"torchmetrics' Gaussian window, float32; {UNEDITED}"

    def compare(self, edited: np.ndarray, source: np.ndarray) -> float:
        return float(_torchmetrics("structural_similarity_index_measure")(*_unit(edited, source), data_range=1.0))


@dataclass(frozen=True, kw_only=True)
class PublishedLPIPS(Unedited):
    """LPIPS; ``weights`` as for :class:`~.lpips.LPIPS`."""

    name: ClassVar = "pie_published_lpips"
    higher_is_better: ClassVar = False
    variant: ClassVar = f"LPIPS 0.1, squeeze; {UNEDITED}"

    weights: str | None = None

    def __post_init__(self):
        check_options(self)

    def compare(self, edited: np.ndarray, source: np.ndarray) -> float | Missing:
        return lpips("squeeze", self.weights, edited, source, None)


@dataclass(frozen=True, kw_only=True)
class PublishedStructure:
    """Structure distance of the whole pictures, on pixels of 0..255."""

    name: ClassVar = "pie_published_structure"
    higher_is_better: ClassVar = False
    source: ClassVar = SOURCE

    model: str = MODEL

    def __post_init__(self):
        check_options(self)

    @property
    def variant(self) -> str:
        return f"self-similarity of last-layer keys of {self.model}, pixels 0..255 in ImageNet's normalisation"

    def __call__(self, images: Images) -> float | Missing:
        from .vit import last_keys, unscaled

        loaded = pretrained("AutoModel", self.model)
        if isinstance(loaded, Missing):
            return loaded
        processor, network = loaded
        keys = [
            last_keys(network, unscaled(processor, image, network.config.image_size))
            for image in (images.edited, images.source)
        ]
        return structure_distance(*keys)


@dataclass(frozen=True, kw_only=True)
class PublishedCLIP:
    """CLIP score of the edited picture and the target prompt, 0..100."""

    name: ClassVar = "pie_published_clip"
    higher_is_better: ClassVar = True
    source: ClassVar = SOURCE

    model: str = PIE_MODEL

    def __post_init__(self):
        check_options(self)

    @property
    def variant(self) -> str:
        return f"100 x cosine under {self.model}, not below 0; whole picture"

    def __call__(self, images: Images) -> float | Missing:
        return self.score(images.edited, images.target_prompt)

    def score(self, image: np.ndarray, prompt: str | None) -> float | Missing:
        """The score of ``image`` ``[H, W, 3]`` uint8."""
        found = both_features(self.model, image, prompt)
        if isinstance(found, Missing):
            return found
        one, other = (feature / feature.norm(p=2, dim=-1, keepdim=True) for feature in found)
        score = number(float(100 * (one * other).sum(dim=-1)))  # in the features' own precision, as published
        return score if isinstance(score, Missing) else max(0.0, score)


@dataclass(frozen=True, kw_only=True)
class PublishedCLIPEdited(PublishedCLIP):
    """The same of the edited part, with black outside the mask."""

    name: ClassVar = "pie_published_clip_edited"

    @property
    def variant(self) -> str:
        return f"100 x cosine under {self.model}, not below 0; black outside the bordered mask"

    def __call__(self, images: Images) -> float | Missing:
        if images.mask is None or isinstance(images.mask, Missing):
            return images.mask or Missing("the sample has no mask")
        return self.score(images.edited * bordered(images.mask)[..., None], images.target_prompt)


def bordered(mask: np.ndarray) -> np.ndarray:
    """``mask`` ``[H, W]`` bool with its outermost pixels set, "to avoid annotation errors"."""
    full = np.ones_like(mask)
    full[1:-1, 1:-1] = mask[1:-1, 1:-1]
    return full


def _unit(*images: np.ndarray) -> "list[torch.Tensor]":
    """``[H, W, 3]`` uint8 as ``[1, 3, H, W]`` float32 in 0..1."""
    import torch

    return [torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None] for image in images]


def _torchmetrics(name: str):
    try:
        from torchmetrics.functional import image
    except ImportError:
        raise InputError("PIE-Bench's protocol needs torchmetrics; `pip install torchmetrics`.") from None
    return getattr(image, name)
