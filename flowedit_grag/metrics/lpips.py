"""LPIPS, the learned perceptual distance."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ..errors import InputError, first_line
from .reference import ReferenceMetric, blackened

Net = Literal["squeeze", "alex", "vgg"]
URL = "https://download.pytorch.org/models/"
FILES = {  # torchvision's, ImageNet
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
}


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
    import torch

    from .lpips_network import features, perceptual_distance, scaled

    loaded = load(net, weights)
    if isinstance(loaded, str):
        raise InputError(loaded)
    stack, heads = loaded
    region = None if where is None else torch.from_numpy(where).to(heads[0].device)
    maps = []
    with torch.inference_mode():
        for image in (first, second):
            pixels = torch.from_numpy(blackened(image, where)).permute(2, 0, 1)[None].to(heads[0].device)
            maps.append([feature[0] for feature in features(net, stack, scaled(pixels))])
    return perceptual_distance(maps[0], maps[1], heads, region)


@cache
def load(net: str, weights: str | None) -> tuple[Any, list[Any]] | str:
    """The layers and heads ``[C]`` of ``net``, on the best device there is, or why they cannot be had."""
    import torch

    from .lpips_network import TAPS, layers

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
