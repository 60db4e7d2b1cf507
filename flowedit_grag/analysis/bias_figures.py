"""The figures of :mod:`.bias`, drawn from its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .charts import Series, heatmaps, line_panels, write_json


def write(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Numbers and figures into ``folder``: the share for all layers, three figures for every layer that is drawn."""
    share = {name: value for name, value in found.items() if name != "drawn"}
    paths = [write_json(share, folder / "bias_share.json"), draw_share(share, folder / "bias_share.png")]
    for layer, numbers in found["drawn"].items():
        of = {"model": found["model"], "layer": int(layer), "name": found["layers"][int(layer)], **numbers}
        stem = f"bias_layer{int(layer):02}"
        paths += [write_json(of, folder / f"{stem}.json"), *draw_layer(of, folder, stem)]
    return paths


def draw_share(numbers: Mapping[str, Any], path: Path) -> Path:
    """How much of the features is bias, by layer and step."""
    title = f"{numbers['model']}: share of the bias in the features' mean square"
    return heatmaps(numbers["share"], path, "step, from noise", "layer", title, top=1)


def draw_layer(numbers: Mapping[str, Any], folder: Path, stem: str) -> list[Path]:
    """GRAG's figures 4, 5 and 2 of one layer."""
    title = f"{numbers['model']}, layer {numbers['layer']} ({numbers['name']})"
    heads = {
        name: [
            Series("length of the bias", list(enumerate(numbers["magnitude"][name]))),
            Series("standard deviation", list(enumerate(numbers["deviation"][name]))),
        ]
        for name in numbers["magnitude"]
    }
    return [
        heatmaps(numbers["norms"], folder / f"{stem}_norms.png", "dimension", "head", f"{title}: norm over tokens"),
        line_panels(heads, folder / f"{stem}_heads.png", "head", "L2 norm", f"{title}: bias and deviation"),
        heatmaps(
            numbers["tokens"], folder / f"{stem}_tokens.png", "dimension / 2", "token / 4",
            f"{title}: magnitude, mean over heads",
        ),
    ]  # fmt: skip
