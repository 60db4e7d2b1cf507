"""What inversion and sampling back lose, by solver, against the autoencoder's own round trip."""

from collections.abc import Sequence

import numpy as np

from ..algorithms import method
from ..backbone.flow import Flow
from ..lab.captions import caption
from ..lab.render import render
from ..lab.scene import Scene
from .psnr import psnr
from .records import Records


def reconstruct(flow: Flow, scenes: Sequence[Scene], solvers: Sequence[str], steps: int, records: Records) -> None:
    """Record the PSNR of every scene with every solver at ``steps`` steps each way, and its NFE."""
    for index, scene in enumerate(scenes):
        latents = flow.encode(render(scene))
        whole, prompt = np.asarray(flow.decode(latents)), flow.condition(caption(scene))
        for name in solvers:
            key = f"{name} {steps} {index}"
            if not records.missing([key]):
                continue
            before = flow.cost.nfe
            back = method("reconstruct", solver=name, steps=steps)(flow, latents, source=prompt, target=prompt)
            records.add(
                key, solver=name, psnr=round(psnr(np.asarray(flow.decode(back)), whole), 3), nfe=flow.cost.nfe - before
            )  # fmt: skip
