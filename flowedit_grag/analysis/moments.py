"""Mean and spread of features over tokens, streamed: no feature map is kept."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass
class Moments:
    """Of samples with any shape: how many there were, their mean, and the sum of squared deviations from it.

    Two of these merge into what one would have seen alone (Chan et al. 1979; Welford 1962 for a single sample).
    """

    count: int
    mean: Tensor  # float64, on the CPU
    squares: Tensor

    @classmethod
    def of(cls, samples: Tensor) -> Self:
        """Of ``samples`` ``[n, ...]``, taken in float32 where they are."""
        variance, mean = torch.var_mean(samples.float(), dim=0, correction=0)
        return cls(len(samples), mean.cpu().double(), len(samples) * variance.cpu().double())

    def merge(self, other: "Moments") -> None:
        """Take the samples of ``other`` in."""
        total, shift = self.count + other.count, other.mean - self.mean
        self.squares = self.squares + other.squares + shift**2 * (self.count * other.count / total)
        self.mean = self.mean + shift * (other.count / total)
        self.count = total

    @property
    def variance(self) -> Tensor:
        """Mean squared deviation from the mean."""
        return self.squares / self.count

    @property
    def norm(self) -> Tensor:
        """L2 norm over the samples (GRAG, arXiv:2510.24657, eq. 4)."""
        return (self.squares + self.count * self.mean**2).sqrt()
