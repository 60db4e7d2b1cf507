"""Optimizers and their settings."""

import io
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError, needed
from ..options import check_options
from ..registry import Registry

OPTIMIZERS = Registry(
    "optimizer", __package__, {"prodigy": "optimizers:ProdigyConfig", "adamw": "optimizers:AdamWConfig"}
)


@dataclass(frozen=True, kw_only=True)
class ProdigyConfig:
    """Prodigy (arXiv:2306.06101), which finds the step size itself; with ICEdit's settings (§B.3)."""

    name: str = "prodigy"
    lr: float = 1.0
    weight_decay: float = 0.01
    use_bias_correction: bool = True
    safeguard_warmup: bool = True

    def __post_init__(self):
        check_options(self)

    def rate(self, step: int, steps: int) -> float:
        """A factor of the step size that is found, the same at every step."""
        return self.lr

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Raises :class:`InputError` where prodigyopt is not installed."""
        prodigy = needed("prodigyopt", "training").Prodigy
        with redirect_stdout(io.StringIO()):  # it announces its weight decay
            return prodigy(
                parameters, lr=self.lr, weight_decay=self.weight_decay,
                use_bias_correction=self.use_bias_correction, safeguard_warmup=self.safeguard_warmup,
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AdamWConfig:
    """AdamW.

    Attributes:
        decay: the last part of the steps, 0..1, over which the learning rate falls to zero.
    """

    name: str = "adamw"
    lr: float = 1e-4
    weight_decay: float = 0.01
    decay: float = 0.0

    def __post_init__(self):
        check_options(self)
        if self.decay > 1:
            raise InputError(f"decay is a part of the steps, 0 to 1, not {self.decay:g}.")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of step number ``step``, counted from 0."""
        left = (steps - step) / (self.decay * steps) if self.decay else 1.0
        return self.lr * min(1.0, left)

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay)
