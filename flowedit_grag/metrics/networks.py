"""Networks of metrics, loaded once a process and shared by all metrics that name them, and what is read out of them."""

from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ..judges.pretrained import check_name, load_pretrained


def pretrained(kind: str, model: str) -> tuple[Any, Any]:
    """Processor and float32 network of transformers' class ``kind``; ``model`` is a hub id or a folder.

    Raises :class:`InputError` where it cannot be had.
    """
    loaded = _loaded(kind, model)
    if isinstance(loaded, str):
        raise InputError(loaded)
    return loaded


@cache  # remembers failures too: a hub out of reach is not asked again for every sample
def _loaded(kind: str, model: str) -> tuple[Any, Any] | str:
    try:
        check_name(model)
        processor, network = load_pretrained(kind, model, None)
    except InputError as error:
        return f"no weights: {error}"
    return processor, network.float()


def prepared(processor: Any, image: np.ndarray, **options: bool) -> Tensor:
    """``image`` ``[H, W, 3]`` uint8 as the network takes it, ``[1, 3, h, w]``, resized by its own processor."""
    return processor(images=[image], return_tensors="pt", input_data_format="channels_last", **options)["pixel_values"]


def cropped(processor: Any, image: np.ndarray) -> Tensor:
    """``image`` ``[H, W, 3]`` uint8 as MagicBrush's evaluation shows it to DINO, ``[1, 3, side, side]``.

    The shorter side is resized to 8/7 of what the network takes (256 of 224), bicubic, and the middle cut out.
    """
    side = (getattr(processor, "crop_size", None) or processor.size)["height"]
    shorter, picture = side * 8 // 7, Image.fromarray(image)
    picture = picture.resize([shorter * size // min(picture.size) for size in picture.size], Image.Resampling.BICUBIC)
    left, top = (round((size - side) / 2) for size in picture.size)
    middle = np.asarray(picture.crop((left, top, left + side, top + side)))
    return prepared(processor, middle, do_resize=False, do_center_crop=False)


def unscaled(processor: Any, image: np.ndarray, side: int) -> Tensor:
    """``image`` in 0..255, though the processor's normalisation is meant for 0..1: PIE-Bench's published protocol.

    The shorter side is resized to ``side``, bilinear without antialiasing, as torchvision did before 0.17.
    """
    pixels = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    height, width = (size * side // min(image.shape[:2]) for size in image.shape[:2])
    pixels = torch.nn.functional.interpolate(pixels, (height, width), mode="bilinear", align_corners=False)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (processor.image_mean, processor.image_std))
    return (pixels - mean) / std


@torch.inference_mode()
def class_token(network: Any, pixels: Tensor) -> Tensor:
    """The class token ``[D]`` of ``pixels`` ``[1, 3, h, w]`` after the last norm: DINO's feature."""
    return network(pixels.to(network.device)).last_hidden_state[0, 0].cpu()


@torch.inference_mode()
def last_keys(network: Any, pixels: Tensor) -> Tensor:
    """The last layer's keys ``[class + patches, D]``, heads concatenated, of ``pixels`` ``[1, 3, h, w]``."""
    layer = [module for name, module in network.named_modules() if name.endswith(("k_proj", ".key"))][-1]
    caught: list[Tensor] = []
    hook = layer.register_forward_hook(lambda module, args, output: caught.append(output))
    try:
        network(pixels.to(network.device), interpolate_pos_encoding=True)
    finally:
        hook.remove()
    return caught[0][0].cpu()


def patches_in(processor: Any, network: Any, where: np.ndarray) -> Tensor:
    """Which patches ``[patches]`` lie by half or more in the region ``where`` ``[H, W]`` bool.

    The region goes the way of the pictures through the processor, whatever that resizes or crops.
    """
    white = np.repeat(np.uint8(255) * where[..., None], 3, axis=2)
    share = prepared(processor, white, do_normalize=False)[:, :1]  # [1, 1, h, w]
    return torch.nn.functional.avg_pool2d(share, network.config.patch_size)[0, 0].flatten() >= 0.5


def cosine(first: Tensor, second: Tensor) -> float:
    """Cosine of the angle between two feature vectors ``[D]``: 1 is the same direction, 0 a right angle."""
    a, b = (vector / vector.norm() for vector in (first.double(), second.double()))
    return float(a @ b)
