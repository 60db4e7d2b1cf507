"""The bias vector in queries and keys (GRAG, arXiv:2510.24657, §4): figures 2, 4, 5 and S9 to S14 for any model."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from ..backbone.attention_hook import check_layers
from ..progress import OnProgress
from .branches import EDIT, SOURCE, Branches
from .charts import nested
from .moments import Moments

QUERY, KEY = 0, 1
GROUPS = {  # name -> query or key, row of the batch, whether of the image's tokens
    "query text": (QUERY, EDIT, False),
    "query edit": (QUERY, EDIT, True),
    "query source": (QUERY, SOURCE, True),
    "key text": (KEY, EDIT, False),
    "key edit": (KEY, EDIT, True),
    "key source": (KEY, SOURCE, True),
}
TOKENS, DIMS = 4, 2  # by which figure S9 is downsampled


@dataclass
class Group:
    """What is known of one group of features in one layer, after any number of passes."""

    moments: Moments | None = None  # of [heads, head_dim], over tokens and passes
    shares: list[float] = field(default_factory=list)  # one a pass
    thumbnail: Tensor | float = 0.0  # [tokens / 4, head_dim / 2], summed over passes

    def see(self, x: Tensor, thumbnail: bool) -> None:
        """Take in the features ``[tokens, heads, head_dim]`` of a pass."""
        seen = Moments.of(x)
        self.shares.append(bias_share(seen))
        if self.moments is None:
            self.moments = seen
        else:
            self.moments.merge(seen)
        if thumbnail:
            self.thumbnail = self.thumbnail + downsampled(x)


def bias_share(moments: Moments) -> float:
    """Part of the features' mean square that is their common mean's: 1 if all tokens are alike, 0 without a bias."""
    bias = float((moments.mean**2).sum())
    whole = bias + float(moments.variance.sum())
    return bias / whole if whole else 0.0


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
    watchers = {layer: _BiasHook(branches, groups, layer in drawn) for layer, groups in enumerate(found)}
    branches.watched(watchers, "bias", on_progress)
    return {
        "model": branches.flow.name,
        "sigmas": list(branches.sigmas),
        "layers": names,
        "share": {name: [nested(torch.tensor(groups[name].shares)) for groups in found] for name in GROUPS},
        "drawn": {str(layer): _pictured(found[layer], len(branches.sigmas)) for layer in drawn},
    }


@dataclass(frozen=True)
class _BiasHook:
    """An attention edit that changes nothing and shows the groups of one layer what passes by."""

    branches: Branches
    groups: dict[str, Group]
    thumbnails: bool

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        layout = self.branches.layout
        for name, (kind, row, image) in GROUPS.items():
            tokens = layout.image if image else slice(0, layout.text)
            self.groups[name].see((q, k)[kind][row, tokens], self.thumbnails)
        return q, k, v


def _pictured(groups: dict[str, Group], passes: int) -> dict[str, Any]:
    moments = {name: group.moments for name, group in groups.items() if group.moments}
    return {
        "norms": {name: nested(seen.norm) for name, seen in moments.items()},
        "magnitude": {name: nested(seen.mean.norm(dim=-1)) for name, seen in moments.items()},
        "deviation": {name: nested(seen.variance.sum(dim=-1).sqrt()) for name, seen in moments.items()},
        "tokens": {name: nested(torch.as_tensor(group.thumbnail) / passes) for name, group in groups.items()},
    }
