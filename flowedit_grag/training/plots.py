"""What is drawn when a run ends."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from ..analysis.charts import Series, heatmap, line_panels
from ..lora_moe import Usage

POINTS = 100  # at most, of a curve


def loss_curve(log: Sequence[dict[str, float]], path: Path) -> Path:
    """The loss, averaged over so many steps that at most ``POINTS`` are left: single steps differ by their sigma."""
    window = -(-len(log) // POINTS)
    parts = [log[start : start + window] for start in range(0, len(log), window)]
    points = [(part[-1]["step"], fmean(line["loss"] for line in part)) for part in parts]
    name = "loss" if window == 1 else f"loss, mean of {window} steps"
    return line_panels({"": [Series(name, points)]}, path, "step", "flow matching loss", "Training")


def expert_usage(usage: Usage, path: Path) -> Path:
    """Which part of the tokens each expert got, module by module."""
    shares = usage.shares()
    return heatmap(list(shares.values()), list(shares), path, "expert", "Share of tokens")
