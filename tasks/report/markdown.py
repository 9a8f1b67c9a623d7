"""A report in Markdown; its pictures are PNG files beside it."""

from __future__ import annotations

import re
from collections.abc import Callable

from liafseq.tasks.report.blocks import Block, Captioned, Code, Facts, Items, Links, Pictures, Report, Text
from liafseq.tasks.report.style import png
from liafseq.tasks.report.table import Table

__all__ = ["escaped", "markdown_report"]


def markdown_report(
    report: Report, name: Callable[[str], str], href: Callable[[str], str]
) -> tuple[str, dict[str, bytes]]:
    """The text, and the pictures by their file names.

    Args:
        report: its content.
        name: the file name of a picture.
        href: the address of a file of the study.
    """
    pictures: dict[str, bytes] = {}
    lines = [f"# {escaped(report.title)}", *(_block(block, href) for block in report.short)]
    for section in report.sections:
        lines.append(f"## {escaped(section.title)}")
        for block in section.blocks:
            if isinstance(block, Pictures):
                file = name(block.name)
                pictures[file] = png(block.panels, block.columns, block.legend)
                alt = escaped("; ".join(panel.alt for panel in block.panels))
                lines.append(f"{escaped(block.caption)}\n\n![{alt}]({file})")
            else:
                lines.append(_block(block, href))
    return "\n\n".join(lines) + "\n", pictures


def escaped(text: str) -> str:
    r"""Text that Markdown shows as it is, in one line.

    >>> print(escaped("a | b <c>\n* `d`"))
    a \| b \<c\> \* \`d\`
    """
    line = " ".join(text.split())
    line = re.sub(r"([\\`*_\[\]<>|~$])", r"\\\1", line)
    # What only the beginning of a line makes special, and & for HTML's own names.
    line = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)
    line = re.sub(r"^([#+-])(?=[\s#]|$)", r"\\\1", line)
    return re.sub(r"&(?=#?\w+;)", "&amp;", line)


def _block(block: Block, href: Callable[[str], str]) -> str:
    match block:
        case Text():
            return escaped(block.text)
        case Items():
            return "\n".join(f"- **{escaped(name)}**: {escaped(text)}" for name, text in block.items)
        case Facts():
            rows = [f"| {escaped(name)} | {escaped(text)} |" for name, text in block.facts]
            return "\n".join(["| | |", "|:---|:---|", *rows])
        case Captioned():
            return f"{_table(block.table)}\n\n{escaped(block.caption)}"
        case Links():
            links = [
                f"- [{escaped(link.path)}]({href(link.path)}): {escaped(link.text)}" for link in block.links
            ]
            return "\n".join([f"{escaped(block.summary)}:\n", *links])
        case Code():
            lines = "\n".join(block.lines)
            fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", lines)), default=0))
            return f"{fence}bash\n{lines}\n{fence}"
    raise TypeError(f"no such part of a report: {type(block).__name__}")


def _table(table: Table) -> str:
    header, *rows = [[_cell(cell) for cell in row] for row in (table.header, *table.rows)]
    rule = "|".join([":---", *(["---:"] * (len(header) - 1))])
    return "\n".join([f"| {' | '.join(header)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])


def _cell(text: str) -> str:
    first, _, second = text.partition("\n")
    return escaped(first) + (f" ({escaped(second)})" if second else "")
