"""What a run draws: edits of a few pairs with the adapter as it is now, the loss, and which experts are used."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any

from PIL import Image
from torch import Tensor

from ..analysis.charts import heatmap, line_panels
from ..backbone.image_flow import ImageFlow
from ..contact_sheet import labelled_strip
from ..editor import Editor
from ..files import written
from .config import TrainConfig
from .data import Pair

POINTS = 100  # at most, of a curve


def write_samples(flow: ImageFlow, config: TrainConfig, pairs: Sequence[Pair], path: Path) -> None:
    """Source, edit and target of every pair, a row each. The noise is that of ``config.seed``, whatever the step."""
    options: dict[str, Any] = {} if config.samples.steps is None else {"steps": config.samples.steps}
    editor = Editor("icedit", flow, width=config.width, **options)
    rows = []
    for pair in pairs:
        edit = editor.edit(pair.source, instruction=pair.instruction, seed=config.seed, detail="model").image
        rows.append(labelled_strip([pair.source, edit, pair.target], ["source", pair.instruction, "target"]))
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    for row, top in zip(rows, accumulate((row.height for row in rows), initial=0), strict=False):
        sheet.paste(row, (0, top))
    with written(path) as partial:
        sheet.save(partial)


def loss_curve(log: Sequence[dict[str, float]], path: Path) -> Path:
    """The loss, averaged over so many steps that at most ``POINTS`` are left: single steps differ by their sigma."""
    window = -(-len(log) // POINTS)
    parts = [log[start : start + window] for start in range(0, len(log), window)]
    points = [(part[-1]["step"], fmean(line["loss"] for line in part)) for part in parts]
    name = "loss" if window == 1 else f"loss, mean of {window} steps"
    return line_panels({"": {name: points}}, path, "step", "flow matching loss", "Training")


def expert_usage(counts: dict[str, Tensor], path: Path) -> Path:
    """Which part of the tokens each expert got, module by module. ``counts`` are ``[experts]``."""
    shares = [(count / count.sum()).tolist() for count in counts.values()]
    return heatmap(shares, list(counts), path, "expert", "Share of tokens")
