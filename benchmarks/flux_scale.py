"""FLUX.1-dev's cost on this machine's GPU, without its weights. (``python -m benchmarks scale`` predicts it.)

python benchmarks/flux_scale.py measure                  # random bfloat16 weights; ten minutes of an H100
python benchmarks/flux_scale.py tables ROWS.jsonl        # what was measured, as Markdown

Each row is written as soon as it is measured, so a machine that is taken away leaves what it has done. To rehearse it
on a CPU: --device cpu --small.
"""

import argparse
import gc
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from benchmarks.base import Findings
from benchmarks.gpu_rows import SECTIONS, Plan, Row
from benchmarks.scale import SIZES
from benchmarks.shape import SMALL, flux_flow
from flowedit_grag.errors import first_line
from flowedit_grag.experiments.fingerprint import VERSION

MACHINE = ("device", "torch", "flowedit_grag")  # what the numbers are of
SMALL_SIZES = ((64, 64), (96, 64))


def measured(plan: Plan, sections: list[str], limit: float) -> Iterator[Row]:
    """The rows of all ``sections``. One that fails says so in a row of its own, as does what no time was left for."""
    start = time.monotonic()
    for name in sections:
        if time.monotonic() - start > limit:
            yield {"section": name, "failed": f"not begun: {limit:g} seconds were given"}
            continue
        rows = SECTIONS[name](plan)
        try:
            for row in rows:
                yield {"section": name, **row, "at": round(time.monotonic() - start)}
                if time.monotonic() - start > limit:
                    break
        except Exception as error:  # the machine may be gone before it can be tried again: go on with the rest
            yield {"section": name, "failed": f"{type(error).__name__}: {first_line(error)}"}
        del rows
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def tables(rows: list[Row], of: str) -> str:
    """The rows as Markdown, a table for each section."""
    parts = []
    for name in dict.fromkeys(row["section"] for row in rows):
        own = [row for row in rows if row["section"] == name]
        head = [key for key in dict.fromkeys(chain(*own)) if key not in ("section", "at", *MACHINE)]
        table = Findings(f"{name.capitalize()} ({of})", head)
        for row in own:
            table.add(*(row.get(key, "") for key in head))
        parts.append(table.markdown())
    return "\n\n".join(parts)


def machine(device: str) -> dict[str, Any]:
    """What the numbers are of."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or device
    return {"device": name, "torch": torch.__version__, "flowedit_grag": VERSION}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "tables"])
    sections = f"measure: of {', '.join(SECTIONS)}; by default all; tables: the file"
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=sections)
    parser.add_argument("-o", "--out", type=Path, default=Path("measurements"), help="folder of rows")
    parser.add_argument("--seconds", type=float, default=540.0, help="begin nothing more after these")
    parser.add_argument("--repeats", type=int, default=3, help="of each timing; the median counts")
    parser.add_argument("--small", action="store_true", help="a FLUX of two narrow blocks on small pictures")
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args(words)
    if given.what == "tables":
        rows = [json.loads(line) for file in given.sections for line in Path(file).read_text().splitlines()]
        print(tables(rows, ", ".join(dict.fromkeys(row[of] for row in rows for of in MACHINE))))
        return
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here; to rehearse it: --device cpu --small.")
    if unknown := [name for name in given.sections if name not in SECTIONS]:
        raise SystemExit(f"there is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}.")
    build = partial(_build, given.device, SMALL if given.small else {})
    plan = Plan(build, given.device, SMALL_SIZES if given.small else SIZES, given.repeats)
    given.out.mkdir(parents=True, exist_ok=True)
    of = machine(given.device)
    with open(given.out / "flux_scale.jsonl", "w") as file:
        for row in measured(plan, given.sections or list(SECTIONS), given.seconds):
            print(line := json.dumps({**row, **of}), file=file, flush=True)
            print(line, file=sys.stderr, flush=True)


def _build(device: str, shape: dict[str, Any], elsewhere: str | None = None, *, fills: bool = False) -> Any:
    return flux_flow(elsewhere or device, fills=fills, **shape)


if __name__ == "__main__":
    main()
