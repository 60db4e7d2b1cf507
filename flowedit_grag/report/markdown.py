"""Tables in Markdown."""

import re
from collections.abc import Sequence

from .tables import Cell, Table

SPECIAL = re.compile(r"([\\`*|<\[\]])")


def document(tables: Sequence[Table]) -> str:
    """All ``tables``, one below the other."""
    return "\n".join(map(rendered, tables))


def rendered(table: Table) -> str:
    """A title, the table, and its notes as a list."""
    head = [escaped(f"{each.group} {each.text}".strip()) for each in table.headers]
    rule = ["---:" if each.number else "---" for each in table.headers]
    rows = [head, rule, *([_cell(cell) for cell in row] for row in table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    notes = [f"- {escaped(note)}" for note in table.notes]
    return "\n".join([f"## {escaped(table.subject)}: {escaped(table.title)}", "", *lines, "", *notes, ""])


def escaped(text: str) -> str:
    """``text`` on one line, its marks as characters."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _cell(cell: Cell) -> str:
    body = f"**{escaped(cell.text)}**" if cell.mark else escaped(cell.text)
    return f"{body} {cell.interval}".strip()
