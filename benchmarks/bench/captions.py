"""Text-to-image: does the model draw what captions say, at several guidance scales?"""

from flowedit_grag.lab import world
from flowedit_grag.lab.splits import scenes
from flowedit_grag.report.intervals import Mean, rate
from flowedit_grag.report.measurements import Record

from ..following import ASPECTS, follow
from .base import Bench, Table

CAPTIONS = 300
SCALES = ((1.5, 1.0), (3.5, 1.0), (5.5, 1.0))  # (distilled guidance, true_cfg)
ASKED = {"background": "≥ 95 %", "color": "≥ 95 %", "size": "≥ 95 %", "position": "≥ 95 %", "shape": "≥ 90 %"}


def section(bench: Bench) -> Table:
    sample, records = scenes(bench.split, bench.count(CAPTIONS)), bench.records("captions")
    names = [f"guidance {guidance:g}" + (f", true_cfg {cfg:g}" if cfg != 1 else "") for guidance, cfg in SCALES]
    items = sum(len(scene.items) for scene in sample)
    table = Table(
        f"Text-to-image, captions of {len(sample)} {bench.split} scenes ({items} items)", ("aspect", "asked", *names)
    )
    found = [follow(bench.flow, sample, records, *scale) for scale in SCALES]
    for aspect in ASPECTS:
        cells = [_rate(drawn, aspect).percent() for drawn in found]
        table.rows.append((aspect, ASKED.get(aspect, ""), *cells))
    return table


def _rate(records: list[Record], aspect: str) -> Mean:
    """The share that is right: of items for attributes, of scenes else. Items of one scene count one by one."""
    if aspect not in world.ATTRIBUTES:
        return rate([record[aspect] for record in records])
    return rate([n < record[aspect] for record in records for n in range(record["items"])])
