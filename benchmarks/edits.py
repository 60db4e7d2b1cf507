"""Methods on the lab's editing problems, judged by the oracle and against the ground truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.experiments.samples import noise_seed
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.lab.grade import grade
from flowedit_grag.lab.tasks import EditingProblem
from flowedit_grag.measure import measured
from flowedit_grag.methods.frame import frame_of
from flowedit_grag.methods.request import EditRequest, words
from flowedit_grag.methods.resolve import resolve_method
from flowedit_grag.metrics.psnr import psnr
from flowedit_grag.metrics.ssim import ssim
from flowedit_grag.report.measurements import Record, Records


@dataclass(frozen=True)
class Contestant:
    """A method with options, under a name of its own; with ``deltas``, at each of these strengths in one sweep."""

    name: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    grag: GRAG | None = None
    deltas: tuple[float, ...] = ()

    def labels(self) -> list[str]:
        """A label for each result of a problem."""
        return [f"{self.name} delta {delta:g}" for delta in self.deltas] or [self.name]


@dataclass(frozen=True)
class Trial:
    """One problem of a split, known by its place in it."""

    split: str
    index: int
    edit: EditingProblem

    @property
    def id(self) -> str:
        return f"{self.split} {self.edit.task} {self.index}"

    @property
    def seed(self) -> int:
        """Of its noise: no two problems share one, and what is measured of them does not depend on each other."""
        return noise_seed(0, self.id)


def edited_images(flow: Flow, contestant: Contestant, trial: Trial) -> tuple[list[np.ndarray], dict[str, float]]:
    """The contestant's pictures, ``[H, W, 3]`` uint8, and what they cost (NFE and seconds, of all together)."""
    method = resolve_method(contestant.method, flow, contestant.grag, contestant.options)
    count = max(1, len(contestant.deltas))
    strengths = [GRAG(delta=delta) for delta in contestant.deltas] or None
    noise = torch.Generator().manual_seed(trial.seed)
    image = Image.fromarray(trial.edit.images()[0])
    source_prompt, targets = EditRequest.of(**words(method, trial.edit)).prompts(method)
    with measured(flow) as cost:
        source, target = flow.condition(source_prompt), flow.condition(targets * count)
        rows = method(
            flow, frame_of(method).encode(flow, image), source=source, target=target, noise=noise, grag=strengths
        )
        images = [np.asarray(frame_of(method).decode(flow, row[None], image)) for row in rows]
    return images, {"nfe": cost.nfe, "seconds": round(cost.seconds, 3)}


def run(
    flow: Flow, contestants: Sequence[Contestant], trials: Sequence[Trial], records: Records
) -> dict[str, list[Record]]:
    """Measure every contestant on every trial that ``records`` does not know yet.

    Returns each label's records, one for each of ``trials`` and in their order.
    """
    for trial in trials:
        for contestant in contestants:
            _measure(flow, contestant, trial, records)
    labels = [label for contestant in contestants for label in contestant.labels()]
    return {label: [records.known[_key(label, trial)] for trial in trials] for label in labels}


def _measure(flow: Flow, contestant: Contestant, trial: Trial, records: Records) -> None:
    keys = {label: _key(label, trial) for label in contestant.labels()}
    missing = records.missing(keys.values())
    if not missing:
        return
    images, cost = edited_images(flow, contestant, trial)
    for (label, key), image in zip(keys.items(), images, strict=True):
        if key in missing:
            facts = {"label": label, "task": trial.edit.task, "index": trial.index}
            records.add(key, **facts, **verdicts(trial.edit, image), **cost)


def _key(label: str, trial: Trial) -> str:
    return f"{label} | {trial.id}"


def verdicts(edit: EditingProblem, image: np.ndarray) -> dict[str, Any]:
    """What the oracle says of an edited picture, and how close it is to source and ground truth."""
    source, truth, mask = edit.images()
    graded = grade(edit, image)
    return {
        "success": graded.success,
        "kept": graded.kept,
        "psnr_outside": round(psnr(image, source, ~mask), 3),
        "ssim_outside": round(ssim(image, source, ~mask), 5),
        "psnr_truth": round(psnr(image, truth), 3),
    }
