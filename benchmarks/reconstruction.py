"""What inversion and sampling back lose, by solver, against the autoencoder's own round trip."""

from collections.abc import Sequence

import numpy as np

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.render import render
from flowedit_grag.lab.scene import Scene
from flowedit_grag.methods import method
from flowedit_grag.metrics.psnr import psnr
from flowedit_grag.report.measurements import Record, Records


def reconstruct(
    flow: Flow, scenes: Sequence[Scene], solvers: Sequence[str], steps: int, records: Records
) -> dict[str, list[Record]]:
    """The PSNR of every scene with every solver at ``steps`` steps each way, and its NFE: by solver, scene by scene."""
    for index, scene in enumerate(scenes):
        latents = flow.encode(render(scene))
        whole, prompt = np.asarray(flow.decode(latents)), flow.condition(caption(scene))
        for name in solvers:
            key = _key(name, steps, index)
            if not records.missing([key]):
                continue
            before = flow.cost.nfe
            back = method("reconstruct", solver=name, steps=steps)(flow, latents, source=prompt, target=prompt)
            records.add(
                key, solver=name, psnr=round(psnr(np.asarray(flow.decode(back)), whole), 3), nfe=flow.cost.nfe - before
            )  # fmt: skip
    return {name: [records.known[_key(name, steps, index)] for index in range(len(scenes))] for name in solvers}


def _key(solver: str, steps: int, index: int) -> str:
    return f"{solver} {steps} {index}"
