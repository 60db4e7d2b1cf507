"""The lab's table: sections that each measure something, keep their records, and say what came out."""

from flowedit_grag.registry import Registry

SECTIONS = Registry(
    "section",
    __name__,
    {
        "core": "core:section",
        "captions": "captions:section",
        "reconstruction": "reconstruction:section",
        "edits": "edits:section",
        "strength": "strength:section",
        "strength-layer": "strength:other",
        "strength-icedit": "strength:in_context",
        "tradeoff": "tradeoff:section",
        "vital": "vital:section",
        "instructions": "instructions:section",
        "early-filter": "early_filter:section",
        "adapters": "adapters:section",
    },
)
