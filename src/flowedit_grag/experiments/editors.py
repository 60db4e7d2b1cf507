"""An ``Editor`` for each row, and one network loaded at a time."""

import gc
from collections.abc import Mapping
from typing import Any

import torch

from ..backbone.flow import Flow
from ..backbone.load import load
from ..editor import Editor
from .rows import Row


class Editors:
    """Made when asked for. ``loading`` is what :func:`load` takes."""

    def __init__(self, loading: Mapping[str, Any]):
        self.loading = dict(loading)
        self.network: tuple[str, str | None] | None = None
        self.flow: Flow | None = None
        self.made: dict[str, Editor] = {}

    def __getitem__(self, row: Row) -> Editor:
        """The row's editor. Raises :class:`InputError` for what cannot be loaded."""
        if self.network != row.network:
            self._change(row)
        if row.name not in self.made:
            self.made[row.name] = Editor(row.method, self.flow, grag=row.grag, **row.options)
        return self.made[row.name]

    def _change(self, row: Row) -> None:
        """Load the row's network after letting go of the one before: two may not fit."""
        self.made, self.flow, self.network = {}, None, None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.flow = load(row.model, adapter=row.adapter, **self.loading)
        self.network = row.network
