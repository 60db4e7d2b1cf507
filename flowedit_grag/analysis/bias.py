"""The bias vector in queries and keys (GRAG, arXiv:2510.24657, §4): figures 2, 4, 5 and S9 to S14 for any model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from ..backbone.attention_hook import AttentionHook, check_layers
from ..backbone.flow import TokenLayout
from ..progress import OnProgress
from .branches import EDIT, SOURCE, Branches
from .charts import heatmaps, line_panels, nested, write_json

QUERY, KEY = 0, 1
GROUPS = {  # name -> query or key, row of the batch, whether of the image's tokens
    "query text": (QUERY, EDIT, False),
    "query edit": (QUERY, EDIT, True),
    "query source": (QUERY, SOURCE, True),
    "key text": (KEY, EDIT, False),
    "key edit": (KEY, EDIT, True),
    "key source": (KEY, SOURCE, True),
}
HEADS = {"magnitude": "length of the bias", "deviation": "standard deviation"}  # of each head, what is drawn
TOKENS, DIMS = 4, 2  # by which figure S9 is downsampled


@dataclass
class Group:
    """What is known of one group of features in one layer, summed over passes: no feature map is kept.

    ``shares`` are, of each pass, the part of the features' mean square that is their common mean's: 1 if all tokens are
    alike, 0 without a bias.
    """

    tokens: int = 0
    total: Tensor | float = 0.0  # [heads, head_dim], over tokens; float64 on the CPU, as is
    squares: Tensor | float = 0.0  # [heads, head_dim]
    shares: list[float] = field(default_factory=list)
    thumbnail: Tensor | float = 0.0  # [tokens / 4, head_dim / 2]

    def see(self, x: Tensor, thumbnail: bool = False) -> None:
        """Take in the features ``[tokens, heads, head_dim]`` of a pass."""
        variance, mean = (of.cpu().double() for of in torch.var_mean(x.float(), dim=0, correction=0))
        bias, square = mean**2, mean**2 + variance
        self.tokens += len(x)
        self.total = self.total + len(x) * mean
        self.squares = self.squares + len(x) * square
        self.shares.append(float(bias.sum() / square.sum()) if square.any() else 0.0)
        if thumbnail:
            self.thumbnail = self.thumbnail + downsampled(x)

    def pictured(self) -> dict[str, list]:
        """What is drawn of it."""
        mean = torch.as_tensor(self.total) / self.tokens
        squares = torch.as_tensor(self.squares)
        return {
            "norms": nested(squares.sqrt()),
            "magnitude": nested(mean.norm(dim=-1)),
            "deviation": nested((squares / self.tokens - mean**2).sum(dim=-1).clamp(min=0).sqrt()),
            "tokens": nested(torch.as_tensor(self.thumbnail) / len(self.shares)),
        }


def downsampled(x: Tensor) -> Tensor:
    """Magnitudes of ``[tokens, heads, head_dim]``, the mean over heads: every 4 tokens as one, every 2nd dimension."""
    magnitude = x.float().abs().mean(dim=1)[:, ::DIMS]
    return adaptive_avg_pool1d(magnitude.T[None], -(-len(x) // TOKENS))[0].T.cpu()


def bias(branches: Branches, layers: Iterable[int], on_progress: OnProgress | None = None) -> dict[str, Any]:
    """Measure every layer, and keep what is drawn of ``layers`` one by one. Plain numbers:

    - ``sigmas``, ``layers`` (module names), ``share[group][layer][step]``;
    - ``drawn[layer]``: for each group its ``norms`` (head x dimension, eq. 4), ``magnitude`` of the bias and
      ``deviation`` from it (L2 norms, one a head), and ``tokens`` (downsampled magnitudes, the mean over steps).

    Raises :class:`InputError` for layers that do not exist.
    """
    names = list(branches.flow.attention())
    drawn = sorted(set(layers))
    check_layers(drawn, len(names))
    found = [{name: Group() for name in GROUPS} for _ in names]
    layout = branches.layout
    watchers = {layer: _watcher(layout, groups, layer in drawn) for layer, groups in enumerate(found)}
    branches.watched(watchers, "bias", on_progress)
    return {
        "model": branches.flow.name,
        "sigmas": list(branches.sigmas),
        "layers": names,
        "share": {name: [nested(torch.tensor(groups[name].shares)) for groups in found] for name in GROUPS},
        "drawn": {str(layer): _by_kind(found[layer]) for layer in drawn},
    }


def _watcher(layout: TokenLayout, groups: dict[str, Group], thumbnails: bool) -> AttentionHook:
    """Changes nothing and shows the groups of one layer what passes by."""

    def hook(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for name, (kind, row, image) in GROUPS.items():
            tokens = layout.image if image else slice(0, layout.text)
            groups[name].see((q, k)[kind][row, tokens], thumbnails)
        return q, k, v

    return hook


def _by_kind(groups: dict[str, Group]) -> dict[str, dict[str, list]]:
    of_groups = {name: group.pictured() for name, group in groups.items()}
    return {kind: {name: of[kind] for name, of in of_groups.items()} for kind in ("norms", *HEADS, "tokens")}


def write(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Numbers and figures into ``folder``: the share for all layers, three figures for every layer that is drawn."""
    share = {name: value for name, value in found.items() if name != "drawn"}
    title = f"{found['model']}: share of the bias in the features' mean square"
    paths = [
        write_json(share, folder / "bias_share.json"),
        heatmaps(found["share"], folder / "bias_share.png", "step, from noise", "layer", title, top=1),
    ]
    for layer, numbers in found["drawn"].items():
        of = {"model": found["model"], "layer": int(layer), "name": found["layers"][int(layer)], **numbers}
        stem = f"bias_layer{int(layer):02}"
        paths += [write_json(of, folder / f"{stem}.json"), *_draw_layer(of, folder, stem)]
    return paths


def _draw_layer(numbers: Mapping[str, Any], folder: Path, stem: str) -> list[Path]:
    """GRAG's figures 4, 5 and 2 of one layer."""
    title = f"{numbers['model']}, layer {numbers['layer']} ({numbers['name']})"
    heads = {
        name: {label: list(enumerate(numbers[kind][name])) for kind, label in HEADS.items()}
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
