"""A report in Markdown; its pictures are PNG files beside it."""

from __future__ import annotations

import re
from functools import singledispatch
from typing import Any

from liafseq.tasks.report_blocks import Code, Facts, Items, Pictures, Report, Table, Text
from liafseq.tasks.report_panels import png

__all__ = ["escaped", "markdown_report"]


def markdown_report(report: Report, stem: str) -> tuple[str, dict[str, bytes]]:
    """The text, and the pictures by their file names, which begin with ``stem``."""
    pictures: dict[str, bytes] = {}
    lines = [f"# {escaped(report.title)}", *(_block(block) for block in report.short)]
    for section in report.sections:
        lines.append(f"## {escaped(section.title)}")
        for block in section.blocks:
            if isinstance(block, Pictures):
                name = f"{stem}-{block.name}.png"
                pictures[name] = png(block.panels, block.columns, block.legend)
                alt = escaped("; ".join(panel.alt for panel in block.panels))
                lines.append(f"{escaped(block.caption)}\n\n![{alt}]({name})")
            else:
                lines.append(_block(block))
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


@singledispatch
def _block(block: Any) -> str:
    raise TypeError(f"no such part of a report: {type(block).__name__}")


@_block.register
def _(block: Text) -> str:
    return escaped(block.text)


@_block.register
def _(block: Items) -> str:
    return "\n".join(f"- **{escaped(name)}**: {escaped(text)}" for name, text in block.items)


@_block.register
def _(block: Facts) -> str:
    return "\n".join(["| | |", "|:---|:---|", *(f"| {escaped(n)} | {escaped(t)} |" for n, t in block.facts)])


@_block.register
def _(block: Table) -> str:
    lines = [block.header, *block.rows]
    cells = [[_cell(cell) for cell in line] for line in lines]
    rule = "|".join([":---", *(["---:"] * (len(block.header) - 1))])
    rows = [f"| {' | '.join(line)} |" for line in cells]
    return "\n".join([rows[0], f"|{rule}|", *rows[1:], "", escaped(block.caption)])


@_block.register
def _(block: Code) -> str:
    lines = "\n".join(block.lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", lines)), default=0))
    return f"{fence}bash\n{lines}\n{fence}"


def _cell(text: str) -> str:
    first, _, second = text.partition("\n")
    return escaped(first) + (f" ({escaped(second)})" if second else "")
