"""``make demo``: a lab scene, edited by StableFlow+ at five strengths, with a table of what each did."""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from .. import image_file
from ..editor import Editor
from ..lab.export import write_edit
from ..lab.oracle import read
from ..metrics.psnr import psnr
from . import output
from .arguments import quiet_libraries

SEED, TASK = 7, "color"
DELTAS = (0.5, 0.8, 1.0, 1.4, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder = write_edit(parser.parse_args().folder, SEED, TASK)
    facts = json.loads((folder / "scene.json").read_text())
    with output.progress(quiet=False) as on_progress:
        strip = Editor(method="stableflow+").sweep(
            folder / "source.png", source_prompt=facts["source_prompt"], target_prompt=facts["target_prompt"],
            delta=DELTAS, seed=42, on_progress=on_progress,
        )  # fmt: skip
    image_file.save(ImageOps.scale(strip.image, 3, Image.Resampling.LANCZOS), folder / "strip.png")
    print(f"{facts['instruction']}: {facts['source_prompt']} -> {facts['target_prompt']}")
    table = _table(strip, folder)
    Console().print(table)
    with open(folder / "table.txt", "w", encoding="utf-8") as file:
        Console(width=160, file=file).print(table)
    print(f"the strip: {folder / 'strip.png'}\nthe table: {folder / 'table.txt'}")


def _table(strip, folder: Path) -> Table:
    source, target = (np.asarray(Image.open(folder / f"{name}.png")) for name in ("source", "target"))
    outside = np.asarray(Image.open(folder / "mask.png")) == 0
    table = Table("delta", "PSNR outside the mask", "PSNR to the ground truth", "what the oracle reads")
    for delta, image in zip(strip.delta, strip.images, strict=True):
        pixels = np.asarray(image)
        kept = psnr(pixels, source, outside)
        table.add_row(f"{delta:g}", f"{kept:.1f} dB", f"{psnr(pixels, target):.1f} dB", _said(read(pixels)))
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
