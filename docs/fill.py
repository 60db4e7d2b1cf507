"""Copy the tables of docs/results/ into the pages that show them: ``python docs/fill.py``.

A page has a block for each table, which this replaces::

    <!-- table: NAME -->
    the contents of docs/results/NAME.md
    <!-- end -->
"""

import re
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = (DOCS.parent / "README.md", *sorted(DOCS.glob("*.md")))
BLOCK = re.compile(r"(?<=^<!-- table: )([\w-]+)( -->\n).*?(?=^<!-- end -->$)", re.MULTILINE | re.DOTALL)


def filled(text: str) -> str:
    """A page's ``text`` with every block as its file is. Raises :class:`FileNotFoundError` for a table that is not."""
    return BLOCK.sub(lambda found: found[1] + found[2] + (DOCS / "results" / f"{found[1]}.md").read_text(), text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text()))
