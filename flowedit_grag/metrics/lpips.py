"""LPIPS, the learned perceptual distance.

Its three backbones are written here, layer for layer as torchvision numbers them, so that its weight files load: PyPI's
torchvision is a CUDA build, which cannot be imported beside a CPU torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError, first_line
from .reference import ReferenceMetric, blackened

Net = Literal["squeeze", "alex", "vgg"]
URL = "https://download.pytorch.org/models/"
FILES = {  # torchvision's, ImageNet
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
}
# where the taps are: each slice of the layers ends at the number, and its output is compared
TAPS = {"alex": (2, 5, 8, 10, 12), "squeeze": (2, 5, 8, 10, 11, 12, 13), "vgg": (4, 9, 16, 23, 30)}
# ImageNet's mean and deviation for pixels in -1..1, as LPIPS rounds them
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


@dataclass(frozen=True, kw_only=True)
class LPIPS(ReferenceMetric):
    """LPIPS 0.1 by ``net``, by default PIE-Bench's; lower is closer.

    ``weights`` is a folder with torchvision's file for the net (:data:`FILES`); by default torch's own folder of
    downloads, filled when first needed. The linear heads are those that torchmetrics ships.
    """

    stem: ClassVar = "lpips"
    higher_is_better: ClassVar = False
    source: ClassVar = "Zhang et al. (arXiv:1801.03924); PIE-Bench (arXiv:2310.01506)"
    details: ClassVar = "LPIPS 0.1, {net}"

    net: Net = "squeeze"
    weights: str | None = None

    def compare(self, edited: np.ndarray, reference: np.ndarray, where: np.ndarray | None) -> float:
        return lpips(self.net, self.weights, edited, reference, where)


def lpips(net: str, weights: str | None, first: np.ndarray, second: np.ndarray, where: np.ndarray | None) -> float:
    """LPIPS of ``[H, W, 3]`` uint8, of the region ``where`` ``[H, W]`` bool only, with black elsewhere."""
    loaded = load(net, weights)
    if isinstance(loaded, str):
        raise InputError(loaded)
    stack, heads = loaded
    region = None if where is None else torch.from_numpy(where).to(heads[0].device)
    maps = []
    with torch.inference_mode():
        for image in (first, second):
            pixels = torch.from_numpy(blackened(image, where)).permute(2, 0, 1)[None].to(heads[0].device)
            maps.append([feature[0] for feature in features(net, stack, pixels)])
    return perceptual_distance(maps[0], maps[1], heads, region)


@cache
def load(net: str, weights: str | None) -> tuple[nn.Sequential, list[Tensor]] | str:
    """The layers and heads ``[C]`` of ``net``, on the best device there is, or why they cannot be had."""
    found = find_spec("torchmetrics")  # not imported: that takes seconds
    if found is None or found.origin is None:
        return "LPIPS' heads come with torchmetrics; install it with `pip install torchmetrics`"
    try:
        if weights is None:
            state = torch.hub.load_state_dict_from_url(
                URL + FILES[net], map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        else:
            state = torch.load(Path(weights) / FILES[net], map_location="cpu", weights_only=True)
        shipped = Path(found.origin).parent / f"functional/image/lpips_models/{net}.pth"
        heads = torch.load(shipped, map_location="cpu", weights_only=True)
        stack = layers(net)
        prefix = "features."
        stack.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    except Exception as error:  # what torch raises on files that are missing, cut off or of another kind is anything
        return (
            f"no weights of LPIPS' {net} ({first_line(error)}); save {URL}{FILES[net]} in a folder and give that as "
            "weights"
        )
    device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
    flat = [heads[f"lin{tap}.model.1.weight"].flatten().to(device) for tap in range(len(TAPS[net]))]
    return stack.eval().requires_grad_(False).to(device), flat


def layers(net: str) -> nn.Sequential:
    """The convolutional layers of ``alex``, ``squeeze`` (1.1) or ``vgg`` (16), untrained."""
    return {"alex": _alex, "squeeze": _squeeze, "vgg": _vgg}[net]()


def features(net: str, stack: nn.Sequential, pixels: Tensor) -> list[Tensor]:
    """The feature maps ``[B, C, h, w]`` at the taps for 8-bit ``pixels`` ``[B, 3, H, W]``."""
    shift, scale = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (SHIFT, SCALE))
    x = (pixels.float() / 255 * 2 - 1 - shift) / scale
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

    def forward(self, x: Tensor) -> Tensor:
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


def perceptual_distance(
    first: Sequence[Tensor], second: Sequence[Tensor], heads: Sequence[Tensor], where: Tensor | None = None
) -> float:
    """Sum over taps of the mean over places of ``head · (f1/|f1| - f2/|f2|)²``; 0 is equal.

    Feature maps are ``[C, h, w]``, heads ``[C]``. With ``where`` ``[H, W]``, 1 in the region, a place counts as much
    as of it lies there.
    """
    total = 0.0
    for a, b, head in zip(first, second, heads, strict=True):
        places = torch.einsum("c,chw->hw", head, (_unit(a) - _unit(b)) ** 2)
        weight = torch.ones_like(places) if where is None else _shares(where, *places.shape)
        total += float((places * weight).sum() / weight.sum())
    return total


def _unit(feature: Tensor) -> Tensor:
    return feature / (1e-8 + (feature**2).sum(dim=0, keepdim=True)).sqrt()


def _shares(where: Tensor, height: int, width: int) -> Tensor:
    return torch.nn.functional.adaptive_avg_pool2d(where[None].float(), (height, width))[0]
