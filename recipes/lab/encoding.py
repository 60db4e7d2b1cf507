"""Captions as the lab's text encoders see them."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def encode(parts: Mapping[str, Any], texts: Sequence[str], length: int, device: str) -> tuple[Tensor, Tensor]:
    """What ``FluxPipeline.encode_prompt`` computes, with gradients: embeds ``[B, length, D]``, pooled ``[B, P]``."""
    t5, clip = parts["tokenizer_2"], parts["tokenizer"]
    ids = t5_ids(t5, texts, length)
    pooled_ids = clip(
        texts, padding="max_length", max_length=clip.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids
    embeds = parts["text_encoder_2"](ids.to(device))[0]
    return embeds, parts["text_encoder"](pooled_ids.to(device)).pooler_output


def t5_ids(tokenizer: Any, texts: Sequence[str], length: int) -> Tensor:
    """Tokens ``[B, length]``."""
    return tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
