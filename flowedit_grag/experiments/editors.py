"""An ``Editor`` for each row, and one network loaded at a time."""

import gc
from collections.abc import Mapping
from typing import Any

import torch

from ..backbone.image_flow import ImageFlow
from ..backbone.load import load
from ..editor import Editor
from ..errors import InputError
from . import fingerprint
from .inversions import Inversions
from .plan import WorkItem


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
