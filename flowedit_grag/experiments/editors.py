"""An ``Editor`` for each row, and one network loaded at a time."""

import gc
from collections.abc import Mapping
from typing import Any

import torch

from ..backbone.flow import Flow
from ..backbone.load import load
from ..editor import Editor
from ..errors import InputError
from . import fingerprint as identity
from .plan import Cell


class Editors:
    """Made when asked for. ``loading`` is what :func:`load` takes."""

    def __init__(self, loading: Mapping[str, Any]):
        self.loading = dict(loading)
        self.network: tuple[str | None, ...] | None = None
        self.flow: Flow | None = None
        self.made: dict[str, Editor] = {}

    def of(self, cell: Cell) -> Editor:
        """The editor of the cell's row. Raises :class:`InputError` for what cannot be loaded."""
        row = cell.row
        if self.network != (network := (*row.network, cell.commit)):
            self._change(cell)
            self.network = network
        if row.name not in self.made:
            self.made[row.name] = Editor(row.method, self.flow, grag=row.grag, **row.options)
        return self.made[row.name]

    def _change(self, cell: Cell) -> None:
        """Load the cell's network, as it was when the run was planned, after letting go of the one before: two may not
        fit."""
        self.made, self.flow, self.network = {}, None, None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if identity.of_adapter(cell.row.adapter) != cell.determined_by["adapter"]:
            raise InputError(f"the adapter {cell.row.adapter!r} has changed since the run was planned; start it again.")
        self.flow = load(cell.row.model, adapter=cell.row.adapter, revision=cell.commit, **self.loading)
