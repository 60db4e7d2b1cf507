"""Text-to-image: does the model draw what captions say, at several guidance scales? The oracle reads the pictures.

``captions.jsonl``: a record for each scene and scale (``guidance``), with ``index`` (of the scene in its
split), ``batch`` (how many scenes were drawn together), ``items`` in the scene, and for each aspect how many were
right: of ``background`` and ``count`` 0 or 1, of each attribute 0 to ``items``; ``of.options`` has ``steps``."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.experiments.samples import noise_seed
from flowedit_grag.inversion import Solver, integrate
from flowedit_grag.lab import world
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.oracle import ItemReading, Reading, read
from flowedit_grag.lab.scene import Item, Scene
from flowedit_grag.report.intervals import Mean, rate
from flowedit_grag.report.measurements import Record, Records

from .base import Bench, Findings

CAPTIONS = 300
BATCH = 10
STEPS = 24
SCALES = (1.5, 3.5, 5.5)  # distilled guidance
ASPECTS = ("background", "count", *world.ATTRIBUTES)
ASKED = {"background": "≥ 95 %", "color": "≥ 95 %", "size": "≥ 95 %", "position": "≥ 95 %", "shape": "≥ 90 %"}


def section(bench: Bench) -> list[Findings]:
    """A row for each aspect, a column for each scale."""
    sample, records = bench.scenes(CAPTIONS), bench.records(__file__, steps=STEPS)
    items = sum(len(scene.items) for scene in sample)
    title = f"Text-to-image, captions of {len(sample)} {bench.split} scenes ({items} items)"
    found = [list(follow(bench, sample, records, scale)) for scale in SCALES]
    table = Findings(title, ("aspect", "asked", *(f"guidance {scale:g}" for scale in SCALES)))
    for aspect in ASPECTS:
        table.add(aspect, ASKED.get(aspect, ""), *(_rate(own, aspect).percent() for own in found))
    return [table]


def _rate(records: list[Record], aspect: str) -> Mean:
    """The share that is right: of items for attributes, of scenes else. Items of one scene count one by one."""
    if aspect not in world.ATTRIBUTES:
        return rate([record[aspect] for record in records])
    return rate([n < record[aspect] for record in records for n in range(record["items"])])


def follow(bench: Bench, scenes: Sequence[Scene], records: Records, guidance: float) -> Iterator[Record]:
    """Draw every scene from its caption, batch by batch: a record for each."""
    for start in range(0, len(scenes), BATCH):
        batch = scenes[start : start + BATCH]
        common = {"guidance": guidance, "batch": len(batch)}
        asked = [{"id": f"{bench.split} scene {index}", "index": index, **common}
                 for index in range(start, start + len(batch))]  # fmt: skip
        found = [records.find(**each) for each in asked]
        if all(found):
            yield from (record for record in found if record)
            continue
        seeds = [noise_seed(0, str(each["id"])) for each in asked]
        images = drawn(bench.flow, batch, seeds, guidance)
        for each, scene, image, known in zip(asked, batch, images, found, strict=True):
            yield known or records.add(each, items=len(scene.items), **score(scene, read(image)))


@torch.no_grad()
def drawn(flow: ImageFlow, scenes: Sequence[Scene], seeds: Sequence[int], guidance: float) -> list[np.ndarray]:
    """A picture of each scene, ``[H, W, 3]`` uint8, from its plain caption and noise of its seed."""
    side = flow.side // flow.pipeline.vae_scale_factor
    shape = (1, flow.pipeline.vae.config.latent_channels, side, side)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    noise = torch.cat([torch.randn(shape, generator=generator) for generator in generators]).to(flow.device)
    v = flow.velocity(flow.condition([caption(scene) for scene in scenes]), guidance)
    rows = integrate(v, noise, flow.schedule(STEPS, noise), Solver.of("euler"))
    return [np.asarray(flow.decode(row[None])) for row in rows]


def score(scene: Scene, reading: Reading) -> dict[str, int]:
    """For background and count 0 or 1; for every attribute, of how many items it was read as stated.

    An item is looked for where it should stand; a lone one wherever it stands.
    """
    pairs = [(item, _seen(item, scene, reading)) for item in scene.items]
    right = {name: sum(seen is not None and getattr(seen, name) == getattr(item, name) for item, seen in pairs)
             for name in world.ATTRIBUTES}  # fmt: skip
    counted = reading.items is not None and len(reading.items) == len(scene.items)
    return {"background": int(reading.background == scene.background), "count": int(counted), **right}


def _seen(item: Item, scene: Scene, reading: Reading) -> ItemReading | None:
    items = reading.items or ()
    return items[0] if len(items) == len(scene.items) == 1 else reading.item_at(item.position)
