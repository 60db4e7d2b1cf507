"""Commands that work on a config, KEY=VALUE changes to it, and the folders that come of it."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..files import written
from . import output
from .arguments import key_values

CLAIM = ("paper", "claim", "measured", "verdict")
Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="YAML, or the name of one in configs/.", show_default=False)
]


def train(
    config: Config,
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes: steps=100 adapter.rank=8.")
    ] = None,
) -> None:
    """Train a LoRA or LoRA-MoE adapter of a Fill model; goes on where a killed run stopped."""
    os.environ.setdefault("MKL_CBWR", "AUTO")  # else its sums depend on where the allocator happened to put arrays
    changes = key_values(options, flags=())
    with output.loading(quiet=False):
        from ..training.config import read
        from ..training.loop import train

        settings = read(config, changes)
    with output.progress(quiet=False) as on_progress:
        print(train(settings, on_progress))


def run(
    config: Config,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changes: seed=1 dataset.per_task=5 'methods[a row].steps=8'."),
    ] = None,
    executor: Annotated[str, typer.Option(help="serial, local, ray, or your own 'module:function'.")] = "serial",
    workers: Annotated[int | None, typer.Option(help="How many processes; by default one for each GPU.")] = None,
    limit: Annotated[int | None, typer.Option(help="Take the benchmark's first samples only.")] = None,
    allow_env: Annotated[
        bool, typer.Option("--allow-env", help="Let the config read the environment: ${oc.env:NAME}.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed samples again, and missing numbers.")
    ] = False,
) -> None:
    """Methods on a benchmark, measured, as a table; goes on where a killed run stopped."""
    logging.getLogger("flowedit_grag.methods").setLevel(logging.WARNING)  # the rest would be said for every sample
    changes = key_values(options, flags=())
    with output.loading(quiet=False):
        from ..experiments.config import read
        from ..experiments.run import run
        from ..experiments.table import INFINITE

        settings = read(config, changes, allow_env)
    with output.progress(quiet=False) as on_progress:
        table = run(
            settings, executor=executor, workers=workers, limit=limit, retry_failed=retry_failed,
            on_progress=on_progress,
        )  # fmt: skip
    print(table.markdown(), end="")
    failed = [line for line in table.lines if line.failures]
    edits, again = Path(settings.out) / "edits", "--retry-failed tries them again"
    if failed and not any(line.done for line in table.lines):
        reason = next(iter(failed[0].failures.values()))
        raise InputError(f"all samples failed, the first with: {reason} (tracebacks are in {edits}); {again}.")
    if failed:
        print(f"some samples failed; tracebacks are in {edits}, and {again}.", file=sys.stderr)
    if any(set(entry.missing) - {INFINITE} for line in table.lines for entry in line.entries):
        print(f"some numbers are missing, for the reasons under the table; {again}.", file=sys.stderr)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--output", help="Folder for page, tables, figures.")] = Path("report"),
) -> None:
    """Finished or not, runs as one page to look at, tables with intervals beside published numbers, and figures."""
    with output.loading(quiet=False):
        from ..report import report
    with output.progress(quiet=False) as on_progress:
        print(report(runs, out, on_progress))


def claims(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs of configs/lab.", show_default=False)],
    measurements: Annotated[
        Path | None, typer.Option(help="Folder that python -m benchmarks wrote; by default measurements.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--output", help="The table, in Markdown.")] = Path("claims.md"),
) -> None:
    """The papers' claims: what was measured of each, and whether it holds."""
    from ..report.claims import CLAIMS
    from ..report.claims.base import Evidence

    output.check_writable(out, endings=(".md",))
    if measurements is not None and not os.path.isdir(measurements):
        raise InputError(f"there is no folder {str(measurements)!r}; python -m benchmarks -o makes one.")
    evidence = Evidence(tuple(runs), measurements or Path("measurements"))
    found = [claim for name in CLAIMS for claim in CLAIMS[name](evidence)]
    rows = [CLAIM, ["---"] * len(CLAIM), *((one.source, one.text, one.measured, one.verdict) for one in found)]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
    with written(out) as partial:
        partial.write_text(text, encoding="utf-8")
    print(text, end="")
