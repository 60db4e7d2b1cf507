"""Tables in LaTeX, as papers set them: booktabs, the best in bold, intervals small."""

from collections.abc import Iterator, Sequence

from .tables import Cell, Table

PREAMBLE = "% Needs \\usepackage{booktabs}; wide tables fit with \\usepackage{graphicx} and \\resizebox.\n"
SPECIAL = {
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
END = r" \\"


def document(tables: Sequence[Table]) -> str:
    """All ``tables``, for ``\\input``."""
    return "\n".join([PREAMBLE, *map(rendered, tables)])


def rendered(table: Table) -> str:
    """A ``table`` with its notes below."""
    columns = "".join("r" if head.number else "l" for head in table.headers)
    body = "\n".join(
        [*_groups(table), _line(escaped(head.text) for head in table.headers), r"\midrule", *map(_row, table.rows)]
    )
    notes = "\\par\n".join(map(escaped, table.notes))
    return TABLE % (escaped(f"{table.subject}: {table.title}"), table.name, columns, body, notes)


def escaped(text: str) -> str:
    """``text`` on one line, LaTeX's own characters as characters."""
    return "".join(SPECIAL.get(character, character) for character in " ".join(text.split()))


def _groups(table: Table) -> Iterator[str]:
    """The line above the headers, and rules under each group."""
    if not table.groups:
        return
    yield _line(
        escaped(name) if count == 1 else rf"\multicolumn{{{count}}}{{c}}{{{escaped(name)}}}"
        for name, count in table.groups
    )
    at, rules = 1, []
    for name, count in table.groups:
        rules += [rf"\cmidrule(lr){{{at}-{at + count - 1}}}"] if name else []
        at += count
    yield " ".join(rules)


def _row(row: Sequence[Cell]) -> str:
    return _line(map(_cell, row))


def _cell(cell: Cell) -> str:
    said = _signed(escaped(cell.text)) if cell.value is not None else escaped(cell.text)
    body = rf"\textbf{{{said}}}" if cell.mark else said
    return body + (rf" {{\scriptsize {_signed(cell.interval)}}}" if cell.interval else "")


def _signed(numbers: str) -> str:
    """With minus signs where text has hyphens."""
    return numbers.replace("-", "$-$")


def _line(cells) -> str:
    return " & ".join(cells) + END
