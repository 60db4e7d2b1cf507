"""Counts of many trials, as JSON and as the table that the docs show."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import HERE

RESULTS = ("accepted", "refused", "failed", "hung")


def write(folder: Path, kind: str, seed: int, results: Mapping[str, int], places: Mapping[str, int]) -> None:
    """Put the counts of a kind into ``folder/fuzz.json``, in place of earlier ones, and all into ``fuzz.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "fuzz.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    counts = {name: results.get(name, 0) for name in RESULTS}
    found[kind] = {"commit": _commit(), "seed": seed, **counts, "places": dict(places)}
    file.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
    (folder / "fuzz.md").write_text(table(found))


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """One row for each kind of input."""
    commits = ", ".join(sorted({of["commit"] for of in found.values()}))
    lines = [
        f"*Mutated inputs, of no split; commit {commits}. A failure is no sentence, or over 10 seconds.*",
        "",
        "| what | trials | accepted | refused | failures |",
        "|---|---|---|---|---|",
    ]
    for kind, of in sorted(found.items()):
        trials = sum(of[name] for name in RESULTS)
        failures = of["failed"] + of["hung"]
        lines.append(f"| {kind.replace('_', ' ')} | {trials} | {of['accepted']} | {of['refused']} | {failures} |")
    return "\n".join(lines) + "\n"


def _commit() -> str:
    return subprocess.check_output(["git", "rev-parse", "--short=7", "HEAD"], cwd=HERE, text=True).strip()
