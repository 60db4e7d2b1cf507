"""Networks of metrics, loaded once a process and shared by all metrics that name them, and the likeness of features."""

from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..judges.pretrained import check_name, load_pretrained

if TYPE_CHECKING:
    from torch import Tensor


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


def cosine(first: "Tensor", second: "Tensor") -> float:
    """Cosine of the angle between two feature vectors ``[D]``: 1 is the same direction, 0 a right angle."""
    a, b = (vector / vector.norm() for vector in (first.double(), second.double()))
    return float(a @ b)
