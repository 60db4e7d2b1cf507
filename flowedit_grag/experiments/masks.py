"""The three ways in which benchmarks mark what may change, each as ``[H, W]`` bool, true where it may."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from ..backbone.image import read_image
from ..errors import InputError

HALF = 127  # of 255


def white(path: str | Path, image: str | Path) -> np.ndarray:
    """A picture that is white where ``image`` may change and black elsewhere."""
    _check_opaque(path)
    levels = np.asarray(read_image(path).convert("L"))
    expected = read_image(image).size
    if levels.shape != expected[::-1]:
        height, width = levels.shape
        raise InputError(f"the mask {path} is {width}x{height}, but its image {expected[0]}x{expected[1]}.")
    if 0 < levels.max() <= HALF:  # 0 and 1 saved as grey levels look right to whoever saved them
        raise InputError(f"the mask {path} is nearly black (at most {levels.max()} of 255); white is what may change.")
    return levels > HALF


def _check_opaque(path: str | Path) -> None:
    with suppress(OSError), Image.open(path) as opened:  # what cannot be read is said by whoever reads it
        if np.asarray(opened.convert("RGBA").getchannel("A")).min() < 255:
            raise InputError(f"the mask {path} has transparent parts; save it in black, and white where it may change.")


def transparent(mask: Image.Image, size: tuple[int, int], where: str) -> np.ndarray:
    """A picture with a hole where it may change (MagicBrush), brought to ``size = (width, height)``."""
    if "A" not in mask.getbands():
        raise InputError(f"{where}: the mask has no transparent part, which is what may change.")
    return np.asarray(mask.getchannel("A").resize(size, Image.Resampling.NEAREST)) < 255


def check_runs(runs: object, where: str) -> None:
    """Raise :class:`InputError` unless ``runs`` are what :func:`from_runs` takes."""
    numbers = runs if isinstance(runs, list) else [None]
    if len(numbers) % 2 or not all(type(number) is int and number >= 0 for number in numbers):
        raise InputError(f"{where}: the mask must be a list of whole numbers, start and length of each run.")


def from_runs(runs: Sequence[int], size: tuple[int, int], where: str) -> np.ndarray:
    """PIE-Bench's ``[start, length, start, length, …]``, row by row, for an image of ``size = (width, height)``.

    As in the published ``mask_decode`` (evaluation/evaluate.py of PnPInversion, arXiv:2310.01506), a run that is too
    long ends with the image, and the outermost pixels are always marked, against errors of annotation there: an empty
    mask still has a frame, and a mask of all but the frame is full. Unlike there, runs that start behind the last
    pixel are refused, not dropped, and so are (by :func:`check_runs`) negative starts, which would count from the
    end, and an odd count. The published decoder takes every image for 512 pixels square; this one asks it.
    """
    width, height = size
    flat = np.zeros(height * width, bool)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        if start >= flat.size:
            raise InputError(f"{where}: the mask has a run at {start}, but the image only {flat.size} pixels.")
        flat[start : start + length] = True
    mask = flat.reshape(height, width)
    mask[[0, -1]] = mask[:, [0, -1]] = True
    return mask
