"""An ``Editor`` for each row, one network loaded at a time, and the inversion that rows share which differ only in what
comes after it."""

import gc
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import torch

from ..backbone.image_flow import ImageFlow
from ..backbone.load import load
from ..editor import Editor
from ..errors import InputError
from ..methods import Method
from ..methods.inputs import Source, Steps
from ..result import Result
from . import fingerprint
from .plan import WorkItem
from .store import COSTS


class Editors:
    """Made when asked for. ``loading`` is what :func:`load` takes."""

    def __init__(self, loading: Mapping[str, Any]):
        self.loading = dict(loading)
        self.network: tuple[str | None, ...] | None = None
        self.flow: ImageFlow | None = None
        self.made: dict[str, Editor] = {}
        self.inversions = Inversions()

    def of(self, item: WorkItem) -> Editor:
        """The editor of the item's row, on its network as it was when the run was planned. Raises :class:`InputError`
        for what cannot be loaded."""
        row = item.row
        if self.network != (network := (*row.network, item.commit)):
            # let go before another is loaded: two may not fit
            self.made, self.flow, self.network, self.inversions = {}, None, None, Inversions()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if fingerprint.of_adapter(row.adapter) != item.key_inputs["adapter"]:
                raise InputError(f"the adapter {row.adapter!r} has changed since the run was planned; start it again.")
            self.flow = load(row.model, adapter=row.adapter, revision=item.commit, **self.loading)
            self.network = network
        if row.name not in self.made:
            self.made[row.name] = Editor(row.method, self.flow, grag=row.grag, **row.options)
        return self.made[row.name]


def inversion(method: Method) -> Hashable | None:
    """What a method's inversion depends on besides the source's latents and prompt: methods that agree in it share one.
    ``None`` where the class that prepares does not say which options it reads."""
    kind = next(kind for kind in type(method).__mro__ if "prepare" in vars(kind))
    names = vars(kind).get("prepared_by")
    return None if names is None else (type(method), *(getattr(method, name) for name in names))


class Inversions:
    """The latest inversion and what it cost. More are not kept: the items of a sample come one after the other."""

    def __init__(self) -> None:
        self.made: tuple[Hashable, Source, Any] | None = None
        self.cost: dict[str, float] = {}


@dataclass
class Preparation:
    """How one edit is prepared: with the inversion that is kept, where that is what it needs.

    Attributes:
        spared: what an inversion cost that was not made again.
    """

    kept: Inversions
    spared: dict[str, float] = field(default_factory=dict)

    def __call__(self, method: Method, source: Source) -> Steps:
        """What ``method.prepare(source)`` returns, made anew only where it was made for another source or otherwise."""
        kept, key = self.kept, inversion(method)
        if key is None:
            return (yield from method.prepare(source))
        if kept.made is not None and kept.made[0] == key and _same(kept.made[1], source):
            self.spared = kept.cost
        else:
            kept.made, before = None, _spent(source)
            alone = replace(source, noise=iter(lambda: _refuse_noise(method), None), negative=None)
            prepared = yield from method.prepare(alone)
            kept.cost = {name: after - before[name] for name, after in _spent(source).items()}
            kept.made = key, source, prepared
        return kept.made[2]

    def charged(self, edits: Result) -> Result:
        """``edits`` with the cost of their inversion, whether or not it was made for them: what an edit costs must not
        depend on the other rows of a run, nor on which comes first."""
        return replace(edits, **{name: getattr(edits, name) + self.spared.get(name, 0) for name in COSTS})


def _refuse_noise(method: Method) -> NoReturn:
    """Noise is the edit's own: where an inversion is not made again, it would not be drawn."""
    name = type(method).__name__
    raise InputError(f"{name} draws noise in prepare, so that rows cannot share it; leave prepared_by out.")


def _same(one: Source, other: Source) -> bool:
    return (
        one.flow.pipeline is other.flow.pipeline
        and torch.equal(one.latents, other.latents)
        and torch.equal(one.condition.embeds, other.condition.embeds)
        and torch.equal(one.condition.pooled, other.condition.pooled)
    )


def _spent(source: Source) -> dict[str, float]:
    return {"nfe": source.flow.cost.nfe, "forward_calls": source.flow.cost.calls, "seconds": time.perf_counter()}
