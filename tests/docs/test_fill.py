"""Numbers stand in one place: pages show what the files of docs/results/ have, and nothing else."""

import re
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
from fill import BLOCK, PAGES, filled

TABLES = sorted((ROOT / "docs" / "results").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_its_file(page):
    text = page.read_text()
    assert filled(text) == text, "run `python docs/fill.py`"
    assert len(re.findall("<!-- table:", text)) == len(re.findall("<!-- end -->", text)) == len(BLOCK.findall(text))


def test_a_block_that_was_edited_by_hand_is_seen():
    page = next(page for page in PAGES if page.name == "results.md")
    text = page.read_text()
    edited = text.replace("| flowedit | 85 %", "| flowedit | 95 %")
    assert edited != text
    assert filled(edited) == text


def test_readme_has_no_result_table_of_its_own():
    text = BLOCK.sub("", (ROOT / "README.md").read_text())
    heads = re.findall(r"^(\|.*)\n\|[ :|-]+\|$", text, re.MULTILINE)
    assert heads == ["| name | what it does | paper |"]


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_every_table_says_what_it_is_of(table):
    first = table.read_text().splitlines()[0]
    assert re.search(r"commit [0-9a-f]{7}\b", first)
    assert re.search(r"`(validation|test)`|no split", first)
    assert any(f"<!-- table: {table.stem} -->" in page.read_text() for page in PAGES)
