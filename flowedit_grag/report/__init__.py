"""Reports: what runs have found, as a page to look at, tables to print, and numbers to go on with."""

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from ..errors import InputError
from ..progress import OnProgress, Progress
from .comparison import Comparison, comparisons
from .differences import by_task, differences
from .figures import Figure, figures
from .gallery import contact_sheet, gallery, side
from .page import Section, page
from .printers import latex, markdown
from .runs import read_runs
from .scores import paper_tables, scores
from .spreadsheets import difference_lines, sample_lines, score_lines, spreadsheet
from .strength_curves import strength_curves
from .strength_table import strength_table

FIGURE = re.compile(r"s\d+-(strength|frontier|gallery).*\.(svg|pdf|png)")  # what a report calls its own


def report(folders: Sequence[Path], out: Path, on_progress: OnProgress | None = None) -> Path:
    """Write a report of the runs in ``folders`` into the folder ``out``; returns the page. It is made as a whole before
    anything of an earlier report is replaced.

    ::

        index.html                                     everything, in one file
        tables.md, tables.tex                          the tables
        scores.csv, differences.csv, samples.csv       the numbers
        figures/                                       frontier and strength curves, as SVG and PDF; gallery, as PNG

    Raises :class:`InputError` for folders that hold no run or nothing finished, and an ``out`` that cannot be written.
    """
    found, out = comparisons(read_runs([Path(folder) for folder in folders])), Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder with -o.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as whole:
            _write(_sections(found, on_progress), Path(whole))
            _move(Path(whole), out)
    except OSError as error:
        raise InputError(f"cannot write in {out} ({error.strerror or error}); choose another folder with -o.") from None
    return out / "index.html"


def _sections(found: Sequence[Comparison], on_progress: OnProgress | None) -> list[Section]:
    steps, shown = sum(len(comparison.ids) for comparison in found), count(1)

    def tick() -> None:
        if on_progress:
            on_progress(Progress("pictures", next(shown), steps))

    return [_section(comparison, f"s{number}", side(found), tick) for number, comparison in enumerate(found, start=1)]


def _section(comparison: Comparison, name: str, side: int, tick: Callable[[], None]) -> Section:
    tables = [scores(comparison, f"{name}-scores"), *paper_tables(comparison, name)]
    if tasks := by_task(comparison, f"{name}-tasks"):
        tables.insert(1, tasks)
    if len(comparison.lines) > 1:
        tables.append(differences(comparison, f"{name}-differences"))
    if turned := strength_table(comparison, f"{name}-strength"):
        tables.append(turned)
    drawn = [*strength_curves(comparison, f"{name}-strength"), *figures(comparison, name)]
    if picture := contact_sheet(comparison):
        drawn.append(Figure(f"{name}-gallery", "", {"png": picture}))
    return Section(name, comparison, tables, drawn, gallery(comparison, side, tick))


def _write(sections: Sequence[Section], folder: Path) -> None:
    found = [section.comparison for section in sections]
    tables = [table for section in sections for table in section.tables]
    texts = {
        "index.html": page(sections, side(found)),
        "tables.md": markdown(tables),
        "tables.tex": latex(tables),
        "scores.csv": spreadsheet(score_lines, found),
        "differences.csv": spreadsheet(difference_lines, found),
        "samples.csv": spreadsheet(sample_lines, found),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "figures").mkdir()
    for figure in (figure for section in sections for figure in section.figures):
        for ending, content in figure.files.items():
            (folder / "figures" / f"{figure.name}.{ending}").write_bytes(content)


def _move(folder: Path, out: Path) -> None:
    """Put ``folder`` where ``out`` is, the page last. What an earlier report left there goes; other files stay."""
    new = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    for old in (out / "figures").glob("*"):
        if FIGURE.fullmatch(old.name):
            old.unlink()
    for name in sorted(new, key=lambda name: name.name == "index.html"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(folder / name, out / name)


__all__ = ["report"]
