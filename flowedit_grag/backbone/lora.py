"""LoRA files with a weight each, and how they are added to a pipeline."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..lora_moe import Adapter, read_lora
from ..lora_moe.config import NAME

Lora = str | Path | tuple[str | Path, float]


def weighted(lora: Lora | Sequence[Lora] | None) -> list[tuple[str | Path, float]]:
    """Files or hub ids with their weights, of all that can be written: ``"file"``, ``"file:0.8"``, ``("file", 0.8)``,
    or a list of these.

    Raises :class:`InputError` for anything else.
    """
    if lora is None:
        return []
    single = not isinstance(lora, Sequence) or isinstance(lora, str)
    one: Any = lora
    many: Any = [lora] if single or (len(one) == 2 and isinstance(one[1], Real)) else lora
    return [_weighted(each) for each in many]


def _weighted(one: Any) -> tuple[str | Path, float]:
    if isinstance(one, Sequence) and not isinstance(one, str):
        source, weight = one if len(one) == 2 else (None, None)
    else:
        source, weight = one, 1.0
    if isinstance(source, str) and source is one and not os.path.exists(source):
        name, colon, number = source.rpartition(":")  # a drive's colon has a path behind it, and no number
        if colon and name and (parsed := _number(number)) is not None:
            source, weight = name, parsed
    if not isinstance(source, str | Path) or not str(source).strip():
        raise InputError(f"a LoRA is a file or hub id, or a pair of one and its weight, not {one!r}.")
    if isinstance(weight, bool) or not isinstance(weight, Real) or not math.isfinite(weight):
        raise InputError(f"the weight of the LoRA {str(source)!r} must be a number, not {weight!r}.")
    return source, float(weight)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def read_loras(lora: Lora | Sequence[Lora] | None) -> list[tuple[dict[str, Adapter], float]]:
    """The files, read and found whole, with their weights."""
    return [(read_lora(source), weight) for source, weight in weighted(lora)]


def add_loras(pipeline: Any, loras: Sequence[tuple[dict[str, Adapter], float]]) -> None:
    """Add them all to ``pipeline``, active beside an adapter that is there. Raises :class:`InputError` for LoRAs of
    another model."""
    names = [f"lora{index}" for index in range(len(loras))]
    for name, (parts, weight) in zip(names, loras, strict=True):
        for part, adapter in parts.items():
            network = getattr(pipeline, part)
            if part == "text_encoder" and not hasattr(network, "text_model"):  # as transformers once had it
                own = {module.removeprefix("text_model."): weights for module, weights in adapter.modules.items()}
                adapter = replace(adapter, modules=own)
            adapter.add_to(network, name, scale=weight)
    if names:
        for network in (pipeline.transformer, pipeline.text_encoder):  # each left only its own active
            known = getattr(network, "peft_config", {})
            if active := [name for name in (NAME, *names) if name in known]:
                network.set_adapter(active)
