"""Pixel values of any type as levels of 8 bits."""

import numpy as np

from ..errors import InputError

FLOAT_RANGES, INTEGER_RANGES = (1, 255, 65535), (255, 65535)
OVERSHOOT = 0.1  # of the range: what resampling leaves below 0 and above the top, which is clipped
ROWS = 256


def eight_bits(values: np.ndarray, name: str) -> np.ndarray:
    """``values`` ``[H, W, …]`` as uint8 of the same shape.

    uint8 and uint16 mean what their type says. Floats are in 0..1, 0..255 or 0..65535 and other integers in one of the
    last two, whichever the largest value fits. Raises :class:`InputError` for values that are not finite, and for those
    that fit no range or would be nearly black in it.
    """
    if values.dtype == np.uint8:
        return values
    top, levels = _top(values, name), np.empty(values.shape, np.uint8)
    for row in range(0, len(values), ROWS):  # a few at a time: float64 is eight times as large
        levels[row : row + ROWS] = np.clip(values[row : row + ROWS].astype(float) * (255 / top), 0, 255).round()
    return levels


def _top(values: np.ndarray, name: str) -> int:
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind not in "buif":
        raise InputError(f"{name} has pixels of type {values.dtype}; give integers or floats.")
    if kind == "b":
        return 1
    low, high = values.min().item(), values.max().item()
    if not np.isfinite([low, high]).all():
        raise InputError(f"{name} has pixels that are not finite (NaN or infinity); replace them first.")
    if (kind, size) == ("u", 2):
        if 0 < high <= 255:
            raise InputError(f"{name} would be black: {high:g} is its highest of 65535 levels; save it with 8 bits.")
        return 65535
    ranges = FLOAT_RANGES if kind == "f" else INTEGER_RANGES
    top = next((top for top in ranges if high <= top * (1 + OVERSHOOT)), None)
    if top is None or low < -OVERSHOOT * top or 1 < top > 10 * high > 0:
        known = " nor ".join(f"0..{top}" for top in ranges)
        raise InputError(f"{name} has values from {low:g} to {high:g}, neither {known}; scale them first.")
    return top
