"""The numbers beside a figure, from which it can be drawn again."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..files import written

DIGITS = 7  # significant; float32 has no more


def nested(values: Tensor) -> list:
    """A tensor as nested lists for JSON."""
    if values.ndim > 1:
        return [nested(row) for row in values]
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def write_json(numbers: Mapping[str, Any], path: Path) -> Path:
    """``numbers`` at ``path``, whole or not at all."""
    with written(path) as partial:
        partial.write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    return path


def write_csv(head: Sequence[str], rows: Iterable[Sequence[Any]], path: Path) -> Path:
    """A table at ``path``, whole or not at all."""
    with written(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return path
