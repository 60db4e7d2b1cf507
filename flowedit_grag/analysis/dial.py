"""A sweep as one figure: the edits, where each differs from the source, and how evenly the strength turns."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from .charts import PALETTE, canvas

SIDE = 1.35  # inches of a picture
CURVE = 1.9  # inches, its height
BRIGHTEST = 96.0  # grey levels of difference that are shown white


def change(edit: Image.Image, source: Image.Image, mask: np.ndarray | None = None) -> float:
    """The mean absolute difference of two pictures in grey levels, of the pixels in ``mask`` ``[H, W]``."""
    apart = np.abs(np.asarray(edit, np.float64) - np.asarray(source, np.float64)).mean(-1)
    return float(apart.mean() if mask is None else apart[mask].mean())


def dial_figure(
    source: Image.Image, edits: Sequence[Image.Image], strengths: Sequence[float], changed: np.ndarray | None = None
) -> Figure:
    """The source and its edits, their differences to it below, and the mean change by strength; also inside and outside
    of what should be ``changed`` ``[H, W]``, where that is known."""
    count = len(edits) + 1
    figure = canvas((SIDE * count, 2 * SIDE * source.height / source.width + CURVE + 0.3))
    grid = figure.add_gridspec(3, count, height_ratios=(SIDE, SIDE, CURVE))
    shown = np.asarray(source, np.float64)
    titles = ["source", f"strength {strengths[0]:.3g}", *(f"{strength:.3g}" for strength in strengths[1:])]
    for column, (image, title) in enumerate(zip([source, *edits], titles, strict=True)):
        apart = np.abs(np.asarray(image, np.float64) - shown).mean(-1)
        for row, pixels in enumerate((np.asarray(image), apart)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(pixels, cmap="magma", vmin=0, vmax=BRIGHTEST, interpolation="lanczos")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title(title, fontsize=9)
            if column == 0:
                axes.set_ylabel(("picture", "difference")[row], fontsize=9)
    curve = figure.add_subplot(grid[2, :])
    areas = {"whole picture": None} if changed is None else {"what should change": changed, "the rest": ~changed}
    for (name, area), color in zip(areas.items(), PALETTE, strict=False):
        curve.plot(strengths, [change(edit, source, area) for edit in edits], "o-", ms=4, color=color, label=name)
    curve.set(xlabel="strength", ylabel="change, grey levels", xlim=(-0.02, 1.02))
    curve.set_ylim(bottom=0)
    curve.grid(alpha=0.25)
    curve.legend(fontsize=8)
    return figure
