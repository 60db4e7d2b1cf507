"""``flowedit-grag report``: runs as a page, tables and figures."""

from pathlib import Path

from . import output


def report(runs: list[Path], out: Path) -> None:
    """Write the report and print where its page is."""
    with output.waiting("loading", quiet=False):
        from ..report import report as write
    with output.progress(quiet=False) as on_progress:
        page = write(runs, out, on_progress)
    print(page)
