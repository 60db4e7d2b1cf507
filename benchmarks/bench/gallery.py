"""Edits to look at."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from flowedit_grag.backbone.flow import Flow
from flowedit_grag.contact_sheet import labelled_grid
from flowedit_grag.files import written

from ..edits import Contestant, Trial, edited_images


def gallery(path: Path, columns: Sequence[tuple[Flow, Contestant]], trials: Sequence[Trial]) -> Path:
    """The first problem of each task: source, what every contestant makes of it on its model, ground truth."""
    first: dict[str, Trial] = {}
    for trial in trials:
        first.setdefault(trial.edit.task, trial)
    rows = []
    for trial in first.values():
        source, truth, _ = trial.edit.images()
        edits = [edited_images(flow, contestant, trial)[0][0] for flow, contestant in columns]
        rows.append([Image.fromarray(image) for image in (source, *edits, truth)])
    labels = ["source", *(contestant.name for _, contestant in columns), "ground truth"]
    with written(path) as partial:
        labelled_grid(rows, labels, list(first)).save(partial)
    return path
