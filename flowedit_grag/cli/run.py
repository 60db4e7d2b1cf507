"""``flowedit-grag run``: a YAML config and KEY=VALUE changes to it, as a table."""

import logging
import sys
from pathlib import Path

from ..errors import InputError
from . import output
from .arguments import key_values


def run(
    config: Path,
    options: list[str] | None,
    executor: str = "serial",
    workers: int | None = None,
    limit: int | None = None,
    retry_failed: bool = False,
) -> None:
    """Finish what is not finished of a run; the table goes to stdout and into the run's folder."""
    logging.getLogger("flowedit_grag.methods").setLevel(logging.WARNING)  # the rest would be said for every sample
    changes = key_values(options, flags=())
    with output.waiting("loading", quiet=False):
        from ..experiments.config import read
        from ..experiments.run import run as finish
        from ..experiments.table import INFINITE

        settings = read(config, changes)
    with output.progress(quiet=False) as on_progress:
        table = finish(
            settings, executor=executor, workers=workers, limit=limit, retry_failed=retry_failed,
            on_progress=on_progress,
        )  # fmt: skip
    print(table.markdown(), end="")
    failed = [line for line in table.lines if line.failures]
    edits = Path(settings.out) / "edits"
    if failed and not any(line.done for line in table.lines):
        reason = next(iter(failed[0].failures.values()))
        raise InputError(
            f"all samples failed, the first with: {reason} (tracebacks are in {edits}); "
            "--retry-failed tries them again."
        )
    again = "--retry-failed tries them again"
    if failed:
        print(f"some samples failed; tracebacks are in {edits}, and {again}.", file=sys.stderr)
    if any(set(entry.missing) - {INFINITE} for line in table.lines for entry in line.entries):
        print(f"some numbers are missing, for the reasons under the table; {again}.", file=sys.stderr)
