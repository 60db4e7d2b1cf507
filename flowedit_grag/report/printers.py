"""Tables as text: in Markdown; and in LaTeX as papers set them: booktabs, the best in bold, intervals small."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from .tables import Cell, Table

MARKDOWN = re.compile(r"([\\`*|<\[\]])")
PREAMBLE = "% Needs \\usepackage{booktabs}; wide tables fit with \\usepackage{graphicx} and \\resizebox.\n"
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "−": "$-$", "–": "--", "∞": r"$\infty$", "δ": r"$\delta$", "λ": r"$\lambda$", "γ": r"$\gamma$",
}  # fmt: skip
TABLE = r"""\begin{table}[t]
\centering
\caption{%s}
\label{tab:%s}
\begin{tabular}{%s}
\toprule
%s
\bottomrule
\end{tabular}

\vspace{0.5ex}
\begin{minipage}{\linewidth}\footnotesize
%s
\end{minipage}
\end{table}
"""


def markdown(tables: Sequence[Table]) -> str:
    """All ``tables``, one below the other: of each a title, the table, and its notes as a list."""
    return "\n".join(map(_markdown, tables))


def escaped_markdown(text: str) -> str:
    """``text`` on one line, its marks as characters."""
    return MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _markdown(table: Table) -> str:
    head = [escaped_markdown(f"{each.group} {each.text}".strip()) for each in table.headers]
    rule = ["---:" if each.number else "---" for each in table.headers]
    rows = [head, rule, *([_markdown_cell(cell) for cell in row] for row in table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    notes = [f"- {escaped_markdown(note)}" for note in table.notes]
    return "\n".join([f"## {escaped_markdown(f'{table.subject}: {table.title}')}", "", *lines, "", *notes, ""])


def _markdown_cell(cell: Cell) -> str:
    body = f"**{escaped_markdown(cell.text)}**" if cell.mark else escaped_markdown(cell.text)
    return f"{body} {cell.interval}".strip()


def latex(tables: Sequence[Table]) -> str:
    """All ``tables``, each with its notes below, for ``\\input``."""
    return "\n".join([PREAMBLE, *map(_latex, tables)])


def escaped_latex(text: str) -> str:
    """``text`` on one line, LaTeX's own characters as characters."""
    return "".join(LATEX.get(character, character) for character in " ".join(text.split()))


def _latex(table: Table) -> str:
    columns = "".join("r" if head.number else "l" for head in table.headers)
    head = _line(escaped_latex(head.text) for head in table.headers)
    body = "\n".join([*_groups(table), head, r"\midrule", *(_line(map(_latex_cell, row)) for row in table.rows)])
    notes = "\\par\n".join(map(escaped_latex, table.notes))
    return TABLE % (escaped_latex(f"{table.subject}: {table.title}"), table.name, columns, body, notes)


def _groups(table: Table) -> Iterator[str]:
    """The line above the headers, and rules under each group."""
    if not table.groups:
        return
    names = [(escaped_latex(name), count) for name, count in table.groups]
    yield _line(name if count == 1 else rf"\multicolumn{{{count}}}{{c}}{{{name}}}" for name, count in names)
    ends = accumulate(count for _, count in names)
    yield " ".join(
        rf"\cmidrule(lr){{{end - count + 1}-{end}}}" for (name, count), end in zip(names, ends, strict=True) if name
    )


def _latex_cell(cell: Cell) -> str:
    said = _signed(escaped_latex(cell.text)) if cell.value is not None else escaped_latex(cell.text)
    body = rf"\textbf{{{said}}}" if cell.mark else said
    return body + (rf" {{\scriptsize {_signed(cell.interval)}}}" if cell.interval else "")


def _signed(numbers: str) -> str:
    """With minus signs where text has hyphens."""
    return numbers.replace("-", "$-$")


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
