"""Does the lab model draw what captions say? Text-to-image on captions of unseen scenes, read by the oracle."""

from collections.abc import Sequence

import numpy as np
import torch

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.guidance.classifier_free import GuidedVelocity
from flowedit_grag.inversion import Solver, integrate
from flowedit_grag.lab import world
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.oracle import ItemReading, Reading, read
from flowedit_grag.lab.scene import Item, Scene
from flowedit_grag.report.measurements import Record, Records

BATCH = 10
STEPS = 24
ASPECTS = ("background", "count", *world.ATTRIBUTES)


def follow(flow: Flow, scenes: Sequence[Scene], records: Records, guidance: float, true_cfg: float) -> list[Record]:
    """Draw every scene from its caption: for each, of every aspect, how many of its items (or 0 or 1) are right."""
    for start in range(0, len(scenes), BATCH):
        numbers = range(start, min(start + BATCH, len(scenes)))
        keys = [_key(number, guidance, true_cfg) for number in numbers]
        missing = records.missing(keys)
        if not missing:
            continue
        images = drawn(flow, [scenes[number] for number in numbers], start, guidance, true_cfg)
        for key, number, image in zip(keys, numbers, images, strict=True):
            if key in missing:
                right = score(scenes[number], read(image))
                records.add(key, guidance=guidance, true_cfg=true_cfg, items=len(scenes[number].items), **right)
    return [records.known[_key(number, guidance, true_cfg)] for number in range(len(scenes))]


def _key(number: int, guidance: float, true_cfg: float) -> str:
    return f"{number} guidance {guidance:g} cfg {true_cfg:g}"


@torch.no_grad()
def drawn(flow: Flow, scenes: Sequence[Scene], seed: int, guidance: float, true_cfg: float) -> list[np.ndarray]:
    """A picture of each scene, ``[H, W, 3]`` uint8, from its plain caption; scene i of the call has noise seed + i."""
    side = flow.side // flow.pipeline.vae_scale_factor
    shape = (1, flow.pipeline.vae.config.latent_channels, side, side)
    generators = [torch.Generator().manual_seed(seed + index) for index in range(len(scenes))]
    noise = torch.cat([torch.randn(shape, generator=generator) for generator in generators]).to(flow.device)
    condition, count = flow.condition([caption(scene) for scene in scenes]), len(scenes)
    negative = flow.condition("") if true_cfg != 1 else None
    v = GuidedVelocity(flow, condition, (guidance,) * count, (true_cfg,) * count, negative)
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
