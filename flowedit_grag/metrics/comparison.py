"""Metrics that compare the edited picture with the source or the ground truth, everywhere or in a region."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from ..errors import InputError
from ..options import check_options
from .base import Images, Missing

Reference = Literal["source", "truth"]
Region = Literal["whole", "inside", "outside"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """``against`` the source or the ground truth; ``region`` inside or outside the mask of what may change.

    A subclass says what it computes in ``compare`` and ``kind``. Networks see a region with black elsewhere in both
    pictures, so that nothing else enters; where a mean is taken over places, it is taken over the region only.

    Where the ground truth has a size of its own, the edit is scaled to it (bicubic) and the mask too (nearest), as in
    MagicBrush's evaluation; ``any_sizes`` says that ``compare`` takes whole pictures of two sizes.
    """

    stem: ClassVar[str]
    higher_is_better: ClassVar[bool]
    source: ClassVar[str]
    any_sizes: ClassVar[bool] = False

    against: Reference = "source"
    region: Region = "whole"

    def __post_init__(self):
        check_options(self)

    @property
    def name(self) -> str:
        """The stem, ``_truth`` if that is the reference, and the region: ``psnr_outside``, ``l1_truth``."""
        truth = "_truth" if self.against == "truth" else ""
        return f"{self.stem}{truth}{region_suffix(self.region)}"

    @property
    def kind(self) -> str:
        """Backbone and details, without reference and region."""
        raise NotImplementedError

    @property
    def variant(self) -> str:
        place = "whole picture" if self.region == "whole" else f"{self.region} the mask"
        return f"{self.kind}; {place}, against the {self.against}"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float | Missing:
        """The number for two ``[H, W, 3]`` uint8 in the region ``where`` ``[H, W]`` bool (everywhere if ``None``)."""
        raise NotImplementedError

    def __call__(self, images: Images) -> float | Missing:
        reference = getattr(images, self.against)
        if reference is None or isinstance(reference, Missing):
            return reference or Missing(f"the sample has no {self.against}")
        where = selected(images.mask, self.region)
        if isinstance(where, Missing):
            return where
        edited = images.edited
        if edited.shape != reference.shape and not (self.any_sizes and where is None):
            edited = _scaled(edited, reference, Image.Resampling.BICUBIC)
            where = None if where is None else _scaled(where, reference, Image.Resampling.NEAREST)
        try:
            return number(self.compare(edited, reference, where))
        except InputError as error:  # a package that is not installed
            return Missing(str(error))


def selected(mask: np.ndarray | Missing | None, region: Region) -> np.ndarray | Missing | None:
    """The pixels ``[H, W]`` bool of a region; ``None`` for the whole picture. A region without pixels is missing."""
    if region == "whole":
        return None
    if mask is None or isinstance(mask, Missing):
        return mask or Missing("the sample has no mask")
    where = mask if region == "inside" else ~mask
    return where if where.any() else Missing(f"nothing lies {region} the mask")


def _scaled(picture: np.ndarray, like: np.ndarray, how: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((like.shape[1], like.shape[0]), how))


def blackened(image: np.ndarray, where: np.ndarray | None) -> np.ndarray:
    """``image`` ``[H, W, 3]`` with black wherever ``where`` ``[H, W]`` is false."""
    return image if where is None else image * where[..., None]


def number(value: float | Missing) -> float | Missing:
    """``value``, unless it is nan: that is no number."""
    return Missing("the result is not a number") if not isinstance(value, Missing) and np.isnan(value) else value


def region_suffix(region: Region) -> str:
    """What a region adds to a metric's name."""
    return "" if region == "whole" else f"_{region}"
