"""Networks of metrics: loaded once a process, shared by all metrics that name them."""

from functools import cache
from typing import Any

from ..errors import InputError
from ..judges.pretrained import check_name, load_pretrained
from .base import Missing


@cache  # remembers failures too: a hub out of reach is not asked again for every sample
def pretrained(kind: str, model: str) -> tuple[Any, Any] | Missing:
    """Processor and float32 network of transformers' class ``kind``; ``model`` is a hub id or a folder."""
    try:
        check_name(model)
        processor, network = load_pretrained(kind, model, None)
    except InputError as error:
        return Missing(f"no weights: {error}")
    return processor, network.float()
