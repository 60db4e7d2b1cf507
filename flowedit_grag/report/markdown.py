"""Tables in Markdown."""

import re
from collections.abc import Sequence

from .tables import Cell, Sheet

SPECIAL = re.compile(r"([\\`*|<\[\]])")


def document(sheets: Sequence[Sheet]) -> str:
    """All ``sheets``, one below the other."""
    return "\n".join(map(table, sheets))


def table(sheet: Sheet) -> str:
    """A title, the table, and its notes as a list."""
    head = [escaped(f"{each.group} {each.text}".strip()) for each in sheet.heads]
    rule = ["---:" if each.number else "---" for each in sheet.heads]
    rows = [head, rule, *([_cell(cell) for cell in row] for row in sheet.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    notes = [f"- {escaped(note)}" for note in sheet.notes]
    return "\n".join([f"## {escaped(sheet.subject)}: {escaped(sheet.title)}", "", *lines, "", *notes, ""])


def escaped(text: str) -> str:
    """``text`` on one line, its marks as characters."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _cell(cell: Cell) -> str:
    body = f"**{escaped(cell.text)}**" if cell.mark else escaped(cell.text)
    return f"{body} {cell.interval}".strip()
