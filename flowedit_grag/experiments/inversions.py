"""The inversion that rows share which differ only in what comes after it."""

import time
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import torch

from ..methods import Method
from ..methods.inputs import Source, Steps
from ..result import Result
from .store import COSTS


def inversion(method: Method) -> Hashable | None:
    """What a method's inversion depends on besides the source: methods that agree in it share one. ``None`` where the
    class that prepares does not say which options it reads."""
    kind = next(kind for kind in type(method).__mro__ if "prepare" in vars(kind))
    names = vars(kind).get("prepared_by")
    return None if names is None else (kind, *(getattr(method, name) for name in names))


class Inversions:
    """The latest inversion and what it cost. More are not kept: the items of a sample come one after the other."""

    def __init__(self) -> None:
        self.made: tuple[Hashable, Source, Any] | None = None
        self.cost: dict[str, float] = {}
        self.fresh = True  # whether the last edit's was made for it

    def prepare(self, method: Method, source: Source) -> Steps:
        """What ``method.prepare(source)`` returns, made anew only where it was made for another source or otherwise."""
        key = inversion(method)
        if key is None:
            self.fresh = True
            return (yield from method.prepare(source))
        self.fresh = self.made is None or self.made[0] != key or not _same(self.made[1], source)
        if self.made is None or self.fresh:
            self.made, before = None, _spent(source)
            prepared = yield from method.prepare(source)
            self.cost = {name: after - before[name] for name, after in _spent(source).items()}
            self.made = key, source, prepared
        return self.made[2]

    def charged(self, edits: Result) -> Result:
        """``edits`` with the cost of their inversion, whether or not it was made for them: what an edit costs must not
        depend on the other rows of a run, nor on which comes first."""
        spared = {} if self.fresh else self.cost
        return replace(edits, **{name: getattr(edits, name) + spared.get(name, 0) for name in COSTS})


def _same(one: Source, other: Source) -> bool:
    return one.flow is other.flow and all(
        a.shape == b.shape and torch.equal(a, b)
        for a, b in (
            (one.latents, other.latents),
            (one.condition.embeds, other.condition.embeds),
            (one.condition.pooled, other.condition.pooled),
        )
    )


def _spent(source: Source) -> dict[str, float]:
    return {"nfe": source.flow.cost.nfe, "forward_calls": source.flow.cost.calls, "seconds": time.perf_counter()}
