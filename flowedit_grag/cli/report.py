"""``flowedit-grag report`` and ``claims``: what runs have found, and what it says of the papers' claims."""

from collections.abc import Sequence
from pathlib import Path

from ..files import written
from . import output

HEAD = ("paper", "claim", "measured", "verdict")


def report(runs: list[Path], out: Path) -> None:
    """Write the report and print where its page is."""
    with output.waiting("loading", quiet=False):
        from ..report import report as write
    with output.progress(quiet=False) as on_progress:
        page = write(runs, out, on_progress)
    print(page)


def claims(runs: Sequence[Path], measurements: Path, out: Path) -> None:
    """Hold every claim against the runs and the measurement folder; print the table and write it."""
    from ..report.claims import CLAIMS
    from ..report.claims.base import Evidence

    output.check_writable(out, endings=(".md",))
    evidence = Evidence(tuple(runs), measurements)
    found = [claim for name in CLAIMS for claim in CLAIMS[name](evidence)]
    rows = [HEAD, ["---"] * len(HEAD), *((one.source, one.text, one.measured, one.verdict) for one in found)]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
    with written(out) as partial:
        partial.write_text(text, encoding="utf-8")
    print(text, end="")
