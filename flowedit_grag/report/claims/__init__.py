"""The papers' claims, each held against what was measured: one line of a table for each.

A new claim is a function ``(Evidence) -> Iterator[Claim]`` in a file here, and its name in :data:`CLAIMS`.
"""

from ...registry import Registry

CLAIMS = Registry(
    "claim",
    __name__,
    {
        "smoothness": "smooth:smoothness_claims",
        "entropy": "attention:entropy_falls",
        "toy": "attention:toy_curves",
        "grag": "effects:grag_effects",
        "pairs": "benched:pairs",
    },
)

__all__ = ["CLAIMS"]
