"""Measure what is no edit, section by section, into a folder; what a killed run has measured is not measured again."""

import argparse
from pathlib import Path

from flowedit_grag.backbone.load import load
from flowedit_grag.errors import InputError
from flowedit_grag.files import written
from flowedit_grag.lab.splits import SPLITS
from flowedit_grag.registry import Registry

from .base import Bench

NAMES = ("core", "captions", "reconstruction", "adapters", "entropy", "judges", "scale")
SECTIONS = Registry("section", __package__ or "benchmarks", {name: f"{name}:section" for name in NAMES})


def main() -> None:
    """Measure the sections asked for, print each one's tables as Markdown, and write them into the folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; by default all")
    parser.add_argument("-o", "--out", type=Path, default=Path("measurements"), help="tables, records and figures")
    parser.add_argument("--model", default="lab")
    parser.add_argument("--split", choices=SPLITS, default="validation")
    parser.add_argument("--share", type=float, default=1.0, help="of the problems to measure; 0.05 is a quick look")
    parser.add_argument("--golden", type=Path, default=Path("tests/golden"), help="recorded runs; skipped where absent")
    given = parser.parse_args()
    try:
        if not 0 < given.share <= 1:
            raise InputError(f"--share must be above 0 and at most 1, not {given.share:g}.")
        if given.out.exists() and not given.out.is_dir():
            raise InputError(f"{given.out} is a file; name a folder for the measurements with -o.")
        sections = {name: SECTIONS[name] for name in given.sections or SECTIONS}
        golden = given.golden if given.golden.is_dir() else None
        bench = Bench(load(given.model), given.out, given.split, given.share, golden)
        for name, section in sections.items():
            text = "\n\n".join(table.markdown() for table in section(bench))
            with written(given.out / f"{name}.md") as partial:
                partial.write_text(text + "\n")
            print(text, end="\n\n", flush=True)
    except InputError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
