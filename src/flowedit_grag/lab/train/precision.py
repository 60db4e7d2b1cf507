"""Training in bfloat16 where the processor has arithmetic for it (AVX-512 BF16, every recent GPU): half the time."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def bfloat16(device: str) -> Iterator[None]:
    """Autocast a forward pass. CPUs get plain attention: flash attention takes several times as long to go back."""
    kind = torch.device(device).type
    with torch.autocast(kind, torch.bfloat16), sdpa_kernel(SDPBackend.MATH) if kind == "cpu" else nullcontext():
        yield
