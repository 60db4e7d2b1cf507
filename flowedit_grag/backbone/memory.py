"""How much memory one forward call may take. The answer depends on the machine, not on what else runs on it."""

import os
from typing import Any

import torch

from .flow import TokenLayout

# Live activations of one forward call without gradients, in units of (tokens x width) elements a batch row: the
# joint sequence, its norm, q, k, v before and after RoPE, the attention output, the MLP's 4x hidden layer twice and
# the concatenation in front of a single-stream block's output projection.
LIVE_WIDTHS = 24
GPU_SHARE, CPU_SHARE = 0.5, 0.25  # of the memory that weights leave, of all memory
UNKNOWN_MEMORY = 8 * 2**30  # bytes, assumed where the system does not say


def row_bytes(transformer: Any, layout: TokenLayout) -> int:
    """Estimated bytes of activations for one batch row of ``layout``."""
    width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
    return LIVE_WIDTHS * (layout.text + layout.tokens) * width * transformer.dtype.itemsize


def weight_bytes(pipeline: Any) -> int:
    """Bytes of weights that share a GPU with activations: all of the pipeline's, or the largest network's where whole
    networks take turns. Layers that take turns count in full, which errs towards fewer rows."""
    networks = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    sizes = [sum(parameter.nbytes for parameter in network.parameters()) for network in networks]
    return max(sizes) if getattr(pipeline, "_all_hooks", None) else sum(sizes)


def default_budget(device: torch.device, pipeline: Any) -> int:
    """Bytes that activations may take on ``device`` beside the weights of ``pipeline``."""
    weights = weight_bytes(pipeline)
    if device.type == "cuda":
        return int(GPU_SHARE * max(0, torch.cuda.get_device_properties(device).total_memory - weights))
    if device.type == "mps":
        return int(GPU_SHARE * max(0, torch.mps.recommended_max_memory() - weights))
    try:
        return int(CPU_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return int(CPU_SHARE * UNKNOWN_MEMORY)
