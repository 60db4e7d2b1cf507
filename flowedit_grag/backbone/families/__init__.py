"""Families of rectified-flow transformers, each the only place that knows its pipeline's class.

A new one is a file with a class derived from :class:`~flowedit_grag.backbone.flow.Flow` here, and a line in the table.
"""

from typing import Any

from ...errors import InputError
from ...registry import Registry
from ..flow import Flow

FAMILIES = Registry("pipeline", __name__, {"FluxPipeline": "flux:FluxFlow", "FluxFillPipeline": "flux:FluxFlow"})


def flow_of(pipeline: Any, *settings: Any, **named: Any) -> Flow:
    """The :class:`Flow` of a diffusers pipeline. Raises :class:`InputError` for one of another family."""
    for kind in type(pipeline).__mro__:
        if kind.__name__ in FAMILIES.table:
            return FAMILIES[kind.__name__](pipeline, *settings, **named)
    raise InputError(f"a {type(pipeline).__name__} cannot edit here; these can: {', '.join(FAMILIES)}.")
