"""``make demo``: a lab scene, edited at six strengths: a figure, and a table of what each did."""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from ..analysis.charts import save
from ..analysis.dial import change, dial_figure
from ..editor import Editor
from ..lab.export import write_edit
from ..lab.oracle import read
from ..methods.strength import Calibration
from ..metrics.psnr import psnr
from . import output
from .arguments import quiet_libraries

METHOD, SEED, TASK = "flowslider", 2, "color"
STRENGTHS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder = write_edit(parser.parse_args().folder, SEED, TASK)
    facts = json.loads((folder / "scene.json").read_text())
    with output.progress(quiet=False) as on_progress:
        strip = Editor(method=METHOD).sweep(
            folder / "source.png", source_prompt=facts["source_prompt"], target_prompt=facts["target_prompt"],
            strength=STRENGTHS, seed=42, on_progress=on_progress,
        )  # fmt: skip
    inside = np.asarray(Image.open(folder / "mask.png")) > 0
    save(dial_figure(strip.source, strip.images, strip.strength or (), inside), folder / "strip.png")
    print(f"{facts['instruction']}: {facts['source_prompt']} -> {facts['target_prompt']}")
    table = _table(strip, inside)
    Console().print(table)
    with open(folder / "table.txt", "w", encoding="utf-8") as file:
        Console(width=160, file=file).print(table)
    print(f"the strip: {folder / 'strip.png'}\nthe table: {folder / 'table.txt'}")


def _table(strip, inside: np.ndarray) -> Table:
    turned = Calibration.of(strip.settings["calibrate"])
    table = Table("strength", turned.option, "change", "PSNR outside the mask", "what the oracle reads")
    for strength, image in zip(strip.strength, strip.images, strict=True):
        kept = psnr(np.asarray(image), np.asarray(strip.source), ~inside)
        said = _said(read(np.asarray(image)))
        table.add_row(
            f"{strength:.3g}",
            f"{turned.value(strength):.2f}",
            f"{change(image, strip.source):.1f}",
            f"{kept:.1f} dB",
            said,
        )
    return table


def _said(reading) -> str:
    items = " and ".join(
        " ".join(str(value or "?") for value in (item.size, item.fill, item.color, item.shape, item.position))
        for item in reading.items or ()
    )
    return f"{items or 'no item that can be read'}, {reading.background or 'unreadable'} background"


if __name__ == "__main__":
    quiet_libraries()
    main()
