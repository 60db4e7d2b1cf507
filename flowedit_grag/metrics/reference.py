"""Metrics that compare the edited picture with the source or the ground truth, everywhere or in a region."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from ..errors import InputError
from .base import Images, Missing, OwnMetric, given

Reference = Literal["source", "truth"]
Region = Literal["whole", "inside", "outside"]


@dataclass(frozen=True, kw_only=True)
class ReferenceMetric(OwnMetric):
    """``against`` the source or the ground truth; ``region`` inside or outside the mask of what may change.

    A subclass says what it computes in ``compare`` and ``details``. Networks see a region with black elsewhere in both
    pictures, so that nothing else enters; where a mean is taken over places, it is taken over the region only.

    Where the ground truth has a size of its own, the edit is scaled to it (bicubic) and the mask too (nearest), as in
    MagicBrush's evaluation; ``any_sizes`` says that ``compare`` takes whole pictures of two sizes.
    """

    stem: ClassVar[str]
    any_sizes: ClassVar[bool] = False

    against: Reference = "source"
    region: Region = "whole"

    @property
    def name(self) -> str:
        """The stem, ``_truth`` if that is the reference, and the region: ``psnr_outside``, ``l1_truth``."""
        truth = "_truth" if self.against == "truth" else ""
        return f"{self.stem}{truth}{region_suffix(self.region)}"

    @property
    def variant(self) -> str:
        place = "whole picture" if self.region == "whole" else f"{self.region} the mask"
        return f"{super().variant}; {place}, against the {self.against}"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        """The number for two ``[H, W, 3]`` uint8 in the region ``where`` ``[H, W]`` bool (everywhere if ``None``)."""
        raise NotImplementedError

    def score(self, images: Images) -> float:
        edited, reference = images.edited, given(getattr(images, self.against), self.against)
        where = selected(images.mask, self.region)
        if edited.shape != reference.shape and not (self.any_sizes and where is None):
            edited = _scaled(edited, reference, Image.Resampling.BICUBIC)
            where = None if where is None else _scaled(where, reference, Image.Resampling.NEAREST)
        return self.compare(edited, reference, where)


def selected(mask: np.ndarray | Missing | None, region: Region) -> np.ndarray | None:
    """The pixels ``[H, W]`` bool of a region; ``None`` for the whole picture. Raises :class:`InputError` for none."""
    if region == "whole":
        return None
    where = given(mask, "mask") if region == "inside" else ~given(mask, "mask")
    if not where.any():
        raise InputError(f"nothing lies {region} the mask")
    return where


def _scaled(picture: np.ndarray, like: np.ndarray, how: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((like.shape[1], like.shape[0]), how))


def blackened(image: np.ndarray, where: np.ndarray | None) -> np.ndarray:
    """``image`` ``[H, W, 3]`` with black wherever ``where`` ``[H, W]`` is false."""
    return image if where is None else image * where[..., None]


def mean_in(values: np.ndarray, where: np.ndarray | None) -> float:
    """The mean of ``values`` ``[H, W, ...]`` where ``where`` ``[H, W]`` is true; nan if that is nowhere."""
    picked = values if where is None else values[where]
    return float(picked.mean()) if picked.size else float("nan")


def region_suffix(region: Region) -> str:
    """What a region adds to a metric's name."""
    return "" if region == "whole" else f"_{region}"
