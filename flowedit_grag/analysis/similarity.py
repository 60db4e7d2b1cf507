"""How alike two images are, for the detector of vital layers: 1 is identical."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from PIL import Image

from ..errors import InputError
from ..registry import Registry

Similarity = Callable[[Image.Image, Image.Image], float]

DINO = "facebook/dinov2-base"
SIMILARITIES = Registry("similarity", __package__, {"dino": "similarity:dino", "pixels": "similarity:pixels"})


def pixels(first: Image.Image, second: Image.Image) -> float:
    """1 - root mean squared difference of pixels in 0..1: needs no network, suits the lab's flat pictures."""
    a, b = (np.asarray(image, float) / 255 for image in (first, second))
    return float(1 - np.sqrt(np.mean((a - b) ** 2)))


def dino(first: Image.Image, second: Image.Image) -> float:
    """Cosine similarity of DINOv2's class tokens, as in Stable Flow (arXiv:2411.14430, §3.1)."""
    processor, model = _dino()
    with torch.no_grad():
        tokens = model(**processor(images=[first, second], return_tensors="pt")).pooler_output
    return float(torch.nn.functional.cosine_similarity(tokens[:1], tokens[1:]))


@lru_cache(maxsize=1)
def _dino():
    from transformers import AutoImageProcessor, AutoModel

    try:
        return AutoImageProcessor.from_pretrained(DINO), AutoModel.from_pretrained(DINO).eval()
    except OSError as error:
        raise InputError(
            f"DINOv2 ({DINO}) cannot be loaded; connect to the hub, or use similarity='pixels'."
        ) from error
