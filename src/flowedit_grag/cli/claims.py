"""The papers' claims as a table: claim, measured, holds or not."""

import argparse
from pathlib import Path

from ..backbone.load import load
from ..claims import CLAIMS
from ..claims.base import Evidence
from ..errors import InputError
from ..files import written
from .output import check_writable

HEAD = ("paper", "claim", "measured", "verdict")


def main() -> None:
    """Hold every claim against the runs, the bench's folder and the model; print the table and write it."""
    parser = argparse.ArgumentParser(prog="python -m flowedit_grag.lab.claims", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of runs, such as runs/lab_table1")
    parser.add_argument("--bench", type=Path, default=Path("bench"), help="folder that lab.bench wrote")
    parser.add_argument("--model", default="lab")
    parser.add_argument("-o", "--out", type=Path, default=Path("bench/claims.md"), help="the table, in Markdown")
    given = parser.parse_args()
    try:
        check_writable(given.out, endings=(".md",))
        evidence = Evidence(load(given.model), given.bench, tuple(given.runs))
        text = table(evidence)
        with written(given.out) as partial:
            partial.write_text(text, encoding="utf-8")
    except InputError as error:
        parser.exit(2, f"{error}\n")
    print(text, end="")


def table(evidence: Evidence) -> str:
    """All claims, in Markdown."""
    found = [claim for name in CLAIMS for claim in CLAIMS[name](evidence)]
    rows = [HEAD, ["---"] * len(HEAD), *((one.source, one.text, one.measured, one.verdict) for one in found)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
