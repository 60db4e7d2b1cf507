"""What a seed means."""

from numbers import Integral

import torch

from .errors import InputError


def generator(seed: int) -> torch.Generator:
    """The generator of a seed. Noise is drawn on the CPU, so that a seed means the same on every device."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 2**63:
        raise InputError(f"seed must be a whole number from 0 on, not {seed!r}.")
    return torch.Generator().manual_seed(int(seed))
