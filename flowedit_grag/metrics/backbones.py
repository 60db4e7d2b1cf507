"""LPIPS' three backbones, layer for layer as torchvision numbers them, so that its weight files load.

Written here because PyPI's torchvision is a CUDA build, which cannot be imported beside a CPU torch.
"""

from itertools import pairwise

import torch
from torch import nn

# where the taps are: each slice of the layers ends at the number, and its output is compared
TAPS = {"alex": (2, 5, 8, 10, 12), "squeeze": (2, 5, 8, 10, 11, 12, 13), "vgg": (4, 9, 16, 23, 30)}


def layers(net: str) -> nn.Sequential:
    """The convolutional layers of ``alex``, ``squeeze`` (1.1) or ``vgg`` (16), untrained."""
    return {"alex": _alex, "squeeze": _squeeze, "vgg": _vgg}[net]()


def features(net: str, stack: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    """The feature maps ``[B, C, h, w]`` at the taps for ``x`` ``[B, 3, H, W]``."""
    found = []
    for start, end in pairwise((0, *TAPS[net])):
        x = stack[start:end](x)
        found.append(x)
    return found


class Fire(nn.Module):
    """SqueezeNet's module: squeeze to few channels, expand by 1 x 1 and 3 x 3 convolutions beside each other."""

    def __init__(self, channels: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1).relu()


def _alex() -> nn.Sequential:
    first = [nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    second = [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    rest = [part for pair in pairwise((192, 384, 256, 256)) for part in _convolution(*pair)]
    return nn.Sequential(*first, *second, *rest, nn.MaxPool2d(3, 2))


def _squeeze() -> nn.Sequential:
    stem = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()]
    fires = [
        [Fire(64, 16, 64), Fire(128, 16, 64)],
        [Fire(128, 32, 128), Fire(256, 32, 128)],
        [Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)],
    ]
    pooled = [part for group in fires for part in (nn.MaxPool2d(3, 2, ceil_mode=True), *group)]
    return nn.Sequential(*stem, *pooled)


def _vgg() -> nn.Sequential:
    blocks = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
    stack: list[nn.Module] = []
    for widths in blocks:
        stack += [part for pair in pairwise(widths) for part in _convolution(*pair)]
        stack.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*stack)


def _convolution(channels: int, out: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()
