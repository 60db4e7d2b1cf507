"""L1, L2, PSNR and SSIM."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .comparison import Comparison
from .distances import l1, l2
from .psnr import psnr
from .ssim import ssim


@dataclass(frozen=True, kw_only=True)
class L1(Comparison):
    """Mean absolute difference, 0..1."""

    stem: ClassVar = "l1"
    higher_is_better: ClassVar = False
    source: ClassVar = "MagicBrush (arXiv:2306.10012)"
    kind: ClassVar = "mean absolute difference of pixels in 0..1"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return l1(edited, reference, where)


@dataclass(frozen=True, kw_only=True)
class L2(Comparison):
    """Mean squared difference, 0..1; no root."""

    stem: ClassVar = "l2"
    higher_is_better: ClassVar = False
    source: ClassVar = "MagicBrush (arXiv:2306.10012); MSE of PIE-Bench (arXiv:2310.01506)"
    kind: ClassVar = "mean squared difference of pixels in 0..1"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return l2(edited, reference, where)


@dataclass(frozen=True, kw_only=True)
class PSNR(Comparison):
    """Peak signal-to-noise ratio in dB; identical pictures give infinity."""

    stem: ClassVar = "psnr"
    higher_is_better: ClassVar = True
    source: ClassVar = "PIE-Bench (arXiv:2310.01506)"
    kind: ClassVar = "dB, peak 255"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return psnr(edited, reference, where)


@dataclass(frozen=True, kw_only=True)
class SSIM(Comparison):
    """Structural similarity, at most 1. A region's windows reach over its edge."""

    stem: ClassVar = "ssim"
    higher_is_better: ClassVar = True
    source: ClassVar = "Wang et al. 2004; PIE-Bench (arXiv:2310.01506)"
    kind: ClassVar = "Gaussian window 11 x 11, sigma 1.5, mean over channels (torchmetrics)"

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return ssim(edited, reference, where)
