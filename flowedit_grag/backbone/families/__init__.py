"""Families of rectified-flow transformers, each the only place that knows its pipeline's class.

A new one is a file with a class derived from ``ImageFlow`` here, and a line in the table.
"""

from typing import Any

from ...errors import InputError
from ...registry import Registry
from ..image_flow import ImageFlow
from ..profile import Profile

FAMILIES = Registry("pipeline", __name__, {"FluxPipeline": "flux:FluxFlow", "FluxFillPipeline": "flux:FluxFlow"})


def flow_of(pipeline: Any, profile: Profile, **settings: Any) -> ImageFlow:
    """The :class:`Flow` of a diffusers pipeline. Raises :class:`InputError` for one of another family."""
    for kind in type(pipeline).__mro__:
        if kind.__name__ in FAMILIES.table:
            return FAMILIES[kind.__name__](pipeline, profile=profile, **settings)
    raise InputError(f"a {type(pipeline).__name__} cannot edit here; these can: {', '.join(FAMILIES)}.")
