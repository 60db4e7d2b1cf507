"""How many batch rows fit into the memory that is free."""

import os

import torch

from .flow import Flow
from .tokens import TokenLayout

# Live activations of one forward call without gradients, in units of (tokens x width) elements a batch row: the
# joint sequence, its norm, q, k, v before and after RoPE, the attention output, the MLP's 4x hidden layer twice and
# the concatenation in front of a single-stream block's output projection.
LIVE_WIDTHS = 24
SHARE_OF_FREE = 0.5


def row_bytes(flow: Flow, layout: TokenLayout) -> int:
    """Estimated bytes of activations for one batch row of ``layout``."""
    transformer = flow.transformer
    width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
    return LIVE_WIDTHS * (layout.text + layout.tokens) * width * transformer.dtype.itemsize


def rows_that_fit(flow: Flow, layout: TokenLayout) -> int:
    """Batch rows that the flow's memory budget holds, at least 1."""
    budget = flow.memory_budget
    if budget is None:
        budget = int(SHARE_OF_FREE * free_bytes(flow.device))
    return max(1, budget // row_bytes(flow, layout))


def free_bytes(device: torch.device) -> int:
    """Memory that is free on ``device`` now."""
    if device.type == "cuda":
        return (
            torch.cuda.mem_get_info(device)[0]
            + torch.cuda.memory_reserved(device)
            - torch.cuda.memory_allocated(device)
        )
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
