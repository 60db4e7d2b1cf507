"""The papers' claims, each held against what was measured: one line of a table for each.

A new claim is a function ``(Evidence) -> Iterator[Claim]`` in a file here, and its name in :data:`CLAIMS`. Nothing here
runs a model: claims read runs and measurement folders. A claim has a verdict only where what was measured could have
come out against it.
"""

from ...registry import Registry

CLAIMS = Registry(
    "claim",
    __name__,
    {
        "smoothness": "rows:delta_is_smooth",
        "entropy": "measured:entropy_falls",
        "toy": "measured:the_word_stays",
        "grag": "rows:grag_effects",
        "solvers": "measured:second_order",
        "icedit": "rows:icedit_steps",
        "early filter": "rows:early_filter",
    },
)

__all__ = ["CLAIMS"]
