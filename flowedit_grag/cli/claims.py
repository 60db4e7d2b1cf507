"""The papers' claims as a table: claim, measured, holds or not."""

from collections.abc import Sequence
from pathlib import Path

from ..backbone.load import load
from ..files import written
from ..report.claims import CLAIMS
from ..report.claims.base import Evidence
from .output import check_writable

HEAD = ("paper", "claim", "measured", "verdict")


def claims(runs: Sequence[Path], bench: Path, model: str, out: Path) -> None:
    """Hold every claim against the runs, the bench's folder and the model; print the table and write it."""
    check_writable(out, endings=(".md",))
    text = table(Evidence(load(model), bench, tuple(runs)))
    with written(out) as partial:
        partial.write_text(text, encoding="utf-8")
    print(text, end="")


def table(evidence: Evidence) -> str:
    """All claims, in Markdown."""
    found = [claim for name in CLAIMS for claim in CLAIMS[name](evidence)]
    rows = [HEAD, ["---"] * len(HEAD), *((one.source, one.text, one.measured, one.verdict) for one in found)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
