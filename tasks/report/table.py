"""A table, for a terminal or a pipe, and in Markdown."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """A head and rows of texts; the first column names the row.

    Figures stand to the right; ``words`` says that the other columns are words, which stand to the left.

    >>> print(Table(("model", "task 1"), (("liaf", "99.7"), ("gru", "100.0"))).plain())
    model  task 1
    liaf     99.7
    gru     100.0
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: bool = False

    def plain(self) -> str:
        """Aligned text, nothing but letters and spaces."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = []
        for row in (self.header, *self.rows):
            first, *cells = zip(row, widths, strict=True)
            placed = [cell.ljust(width) if self.words else cell.rjust(width) for cell, width in cells]
            lines.append("  ".join([first[0].ljust(first[1]), *placed]).rstrip())
        return "\n".join(lines)

    def markdown(self) -> str:
        """A table of Markdown.

        >>> print(Table(("a", "b"), (("x|y", "1"),)).markdown())
        | a | b |
        |:---|---:|
        | x\\|y | 1 |
        """
        rule = "|".join([":---", *(["---:"] * (len(self.header) - 1))])
        lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in self.rows]
        return "\n".join([f"| {' | '.join(self.header)} |", f"|{rule}|", *lines])

    def transposed(self) -> Table:
        """Rows as columns."""
        header, *rows = zip(self.header, *self.rows, strict=True)
        return Table(tuple(header), tuple(map(tuple, rows)), self.words)
