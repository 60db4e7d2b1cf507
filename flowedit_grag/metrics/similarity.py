"""Likeness of features."""

import torch


def cosine(first: torch.Tensor, second: torch.Tensor) -> float:
    """Cosine of the angle between two feature vectors ``[D]``: 1 is the same direction, 0 a right angle."""
    a, b = (vector / vector.norm() for vector in (first.double(), second.double()))
    return float(a @ b)
