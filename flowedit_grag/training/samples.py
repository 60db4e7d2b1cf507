"""Edits of a few pairs with the adapter as it is now."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ..backbone.flow import Flow
from ..contact_sheet import labelled_strip
from ..editor import Editor
from ..files import written
from .config import TrainConfig
from .data import Pair


def write_samples(flow: Flow, config: TrainConfig, pairs: Sequence[Pair], path: Path) -> None:
    """Source, edit and target of every pair, a row each. The noise is that of ``config.seed``, whatever the step."""
    options: dict[str, Any] = {} if config.samples.steps is None else {"steps": config.samples.steps}
    editor = Editor("icedit", flow, width=config.width, **options)
    with written(path) as partial:
        _stacked([_row(editor, pair, config.seed) for pair in pairs]).save(partial)


def _row(editor: Editor, pair: Pair, seed: int) -> Image.Image:
    edit = editor.edit(pair.source, instruction=pair.instruction, seed=seed).image
    return labelled_strip([pair.source, edit, pair.target], ["source", pair.instruction, "target"])


def _stacked(rows: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet
