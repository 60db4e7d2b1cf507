"""The toy experiment of GRAG (arXiv:2510.24657, §B.1, fig. S1): one query, two source tokens, one word."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ..files import csv_text, written
from ..guidance.attention_weight import AttentionWeight
from ..guidance.control import Control, ControlledGroup
from ..guidance.grag import GRAG
from .charts import line_panels

QUERY = 1.0
KEYS = {"source token 1": 1.9, "source token 2": 1.2, "word": 3.4}
SOURCE = slice(0, 2)
LAMBDA, DELTA = "(b) GRAG, lambda", "(d) GRAG, delta"
STRATEGIES: dict[str, Callable[[float], Control]] = {
    "(a) attention weight, gamma": AttentionWeight,
    LAMBDA: lambda value: GRAG(lam=value),
    "(c) GRAG, lambda = delta": lambda value: GRAG(lam=value, delta=value),
    DELTA: lambda value: GRAG(delta=value),
}
VALUES = tuple(step / 20 for step in range(81))  # 0 to 4; the paper prints no range

Scores = list[float]  # of the three tokens


def scores(dial: Control) -> Scores:
    """Attention to the three tokens (eq. S1) with ``dial`` on the source tokens, through the code that edits pictures.

    Values that are the unit vectors make the attention's output its weights. With an attention weight other than 1
    they no longer sum to 1; those of GRAG always do.
    """
    q = torch.full((1, len(KEYS), 1, 1), QUERY, dtype=torch.float64)
    k = torch.tensor([*KEYS.values()], dtype=torch.float64).view(1, -1, 1, 1)
    v = torch.eye(len(KEYS), dtype=torch.float64).view(1, len(KEYS), 1, -1)
    q, k, v = ControlledGroup(SOURCE, (dial,), text=0)(q, k, v)
    weights = torch.softmax(torch.einsum("qd,kd->qk", q[0, :1, 0], k[0, :, 0]), dim=-1)
    return (weights @ v[0, :, 0])[0].tolist()


def toy(values: Sequence[float] = VALUES) -> dict[str, list[Scores]]:
    """For each strategy the scores at all ``values``."""
    return {name: [scores(dial(value)) for value in values] for name, dial in STRATEGIES.items()}


def shares(found: Scores) -> Scores:
    """Scores as parts of their sum, which is where a weight takes attention from the word as the paper says."""
    return [score / sum(found) for score in found]


def write(folder: Path, values: Sequence[float] = VALUES) -> list[Path]:
    """``toy.csv`` and its figure."""
    found = toy(values)
    weight = next(iter(STRATEGIES))
    found = {weight: found[weight], f"{weight}, of the sum": [shares(of) for of in found[weight]], **found}
    rows = [(name, value, *of) for name, all_of in found.items() for value, of in zip(values, all_of, strict=True)]
    panels = {
        name: {token: [*zip(values, own, strict=True)] for token, *own in zip(KEYS, *all_of, strict=True)}
        for name, all_of in found.items()
    }
    with written(folder / "toy.csv") as partial:
        partial.write_text(csv_text([("strategy", "value", *KEYS), *rows]), encoding="utf-8")
    title = "One query, two source tokens and a word: attention after the softmax"
    x = "gamma, lambda or delta; 1 changes nothing"
    return [folder / "toy.csv", line_panels(panels, folder / "toy.png", x, "attention", title)]
