"""Inversion and back: what each solver loses against the autoencoder's own round trip.

``reconstruction.jsonl``: a record for each scene and ``solver``, with ``index`` (of the scene in its split), ``psnr``
(dB, of the picture that comes back against the round trip) and ``nfe``; ``of.options`` has ``steps`` (each way)."""

import numpy as np

from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.render import render
from flowedit_grag.lab.scene import Scene
from flowedit_grag.methods import method
from flowedit_grag.metrics.psnr import psnr
from flowedit_grag.report.intervals import difference, mean
from flowedit_grag.report.measurements import Record, Records

from .base import Bench, Findings

SCENES = 60
STEPS = 28
SOLVERS = ("euler", "ddim", "midpoint", "fireflow", "uni_inv")


def section(bench: Bench) -> list[Findings]:
    """A row for each solver."""
    sample, records = bench.scenes(SCENES), bench.records(__file__, steps=STEPS)
    every = [reconstructed(bench, index, scene, records) for index, scene in enumerate(sample)]
    found = {solver: list(of_solver) for solver, of_solver in zip(SOLVERS, zip(*every, strict=True), strict=True)}
    values = {name: [record["psnr"] for record in own] for name, own in found.items()}
    table = Findings(
        f"Inversion and reconstruction, {STEPS} steps, {len(sample)} {bench.split} scenes",
        ("solver", "NFE", "PSNR against the round trip, dB"),
        [(name, str(found[name][0]["nfe"]), mean(values[name]).number()) for name in SOLVERS],
    )
    for other in (solver for solver in SOLVERS if solver != "midpoint"):
        table.remarks.append(f"Midpoint over {other}: {difference(values['midpoint'], values[other]).gap('dB')}.")
    return [table]


def reconstructed(bench: Bench, index: int, scene: Scene, records: Records) -> list[Record]:
    """A record for each of :data:`SOLVERS`."""
    problem = {"id": f"{bench.split} scene {index}", "index": index}
    found = {solver: records.find(**problem, solver=solver) for solver in SOLVERS}
    if all(found.values()):
        return [record for record in found.values() if record]
    flow = bench.flow
    latents, prompt = flow.encode(render(scene)), flow.condition(caption(scene))
    whole = np.asarray(flow.decode(latents))

    def made(solver: str) -> Record:
        before = flow.cost.nfe
        back = method("reconstruct", solver=solver, steps=STEPS)(flow, latents, source=prompt, target=prompt)
        error = psnr(np.asarray(flow.decode(back)), whole)
        return records.add({**problem, "solver": solver}, psnr=round(error, 3), nfe=flow.cost.nfe - before)

    return [record or made(solver) for solver, record in found.items()]
