"""Attention entropy against GRAG's delta (arXiv:2510.24657, §B.2, fig. S2), block by block."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..backbone.attention_hook import AttentionHook, compose
from ..errors import InputError
from ..guidance.control import ControlledGroup
from ..guidance.grag import GRAG
from ..injection.share import ShareKV
from ..progress import OnProgress
from .branches import EDIT, SOURCE, Branches
from .charts import line_panels, write_json

BLOCK_BYTES = 2**26  # of one block's scores


def attention_entropy(q: Tensor, k: Tensor, group: slice, block_bytes: int = BLOCK_BYTES) -> tuple[float, float]:
    """Entropy in nats (eq. S2) of the attention that queries ``[queries, heads, head_dim]`` pay to keys
    ``[tokens, heads, head_dim]``, the mean over queries and heads: among the tokens of ``group``, whose attention is
    taken for itself as a distribution, and among all tokens.

    A whole map is never held: 4,608 tokens and 24 heads would be 2 GB. ``block_bytes`` is the size of what is.
    """
    heads, dim = q.shape[1:]
    rows, k = max(1, block_bytes // (4 * heads * len(k))), k.float()
    among_group = among_all = 0.0
    for block in q.split(rows):
        scores = torch.einsum("qhd,khd->hqk", block.float(), k) * dim**-0.5
        among_group += float(_entropy(scores[..., group]).sum())
        among_all += float(_entropy(scores).sum())
    return among_group / (heads * len(q)), among_all / (heads * len(q))


def _entropy(scores: Tensor) -> Tensor:
    log = scores.log_softmax(dim=-1)
    return -(log.exp() * log).sum(dim=-1)


def entropies(branches: Branches, deltas: Sequence[float], on_progress: OnProgress | None = None) -> dict[str, Any]:
    """Give the edit the source's keys and values, weigh the keys by each delta, and measure what its image tokens
    attend to, the mean over noise levels: plain numbers ``source[layer][delta]`` and ``all[layer][delta]``, and for
    each in how many layers it falls with every step of delta.

    Source features and GRAG enter every layer, as in the editors that the paper measures; a later layer sees what an
    earlier one made of them. With keys and queries held fixed the entropy among the source's tokens could only fall.
    Raises :class:`InputError` for fewer than two deltas, or deltas that do not rise.
    """
    if len(deltas) < 2 or any(b <= a for a, b in pairwise(deltas)):
        raise InputError(f"deltas must be at least two numbers that rise, not {list(deltas)}.")
    names = list(branches.flow.attention())
    columns = [_at(branches, delta, len(names), on_progress) for delta in deltas]
    curves = dict(zip(("source", "all"), np.transpose(columns), strict=True))  # [layers, deltas]
    falling = {name: int(np.all(np.diff(of) < 0, axis=-1).sum()) for name, of in curves.items()}
    about = {"model": branches.flow.name, "sigmas": list(branches.sigmas), "layers": names, "delta": list(deltas)}
    return {**about, **{name: of.tolist() for name, of in curves.items()}, "falling": falling}


def _at(branches: Branches, delta: float, count: int, on_progress: OnProgress | None) -> list[tuple[float, float]]:
    """Both entropies of every layer at one delta."""
    layout = branches.layout
    share = ShareKV(SOURCE, (EDIT,), layout.image)
    grag = ControlledGroup(layout.image, (None, GRAG(delta=delta)), layout.text)
    seen: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    edits = {layer: compose(share, grag, _watcher(layout.image, of)) for layer, of in enumerate(seen)}
    branches.watched(edits, f"{delta:g}", on_progress)
    return [tuple(torch.tensor(of, dtype=torch.float64).mean(dim=0).tolist()) for of in seen]


def _watcher(image: slice, seen: list[tuple[float, float]]) -> AttentionHook:
    """Changes nothing and keeps a layer's two entropies of every pass."""

    def hook(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen.append(attention_entropy(q[EDIT, image], k[EDIT], image))
        return q, k, v

    return hook


def write(found: dict[str, Any], folder: Path) -> list[Path]:
    """``entropy.json`` and its figure."""
    return [write_json(found, folder / "entropy.json"), draw(found, folder / "entropy.png")]


def draw(numbers: dict[str, Any], path: Path) -> Path:
    """Entropy against delta, a curve for each layer."""
    count = len(numbers["layers"])
    panels = {
        f"among {name} tokens (falls in {numbers['falling'][name]} of {count} layers)": {
            f"layer {layer}": list(zip(numbers["delta"], row, strict=True)) for layer, row in enumerate(numbers[name])
        }
        for name in ("source", "all")
    }
    return line_panels(panels, path, "delta", "entropy, nats", f"{numbers['model']}: attention of the edit's image")
