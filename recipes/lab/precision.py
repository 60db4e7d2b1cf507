"""Training in bfloat16: half the time on processors with arithmetic for it (AVX-512 BF16, every recent GPU)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from flowedit_grag.backbone.device_placement import training_attention


@contextmanager
def bfloat16(device: str) -> Iterator[None]:
    """Autocast a forward pass."""
    with torch.autocast(torch.device(device).type, torch.bfloat16), training_attention(device):
        yield
