"""The parts of a report, whatever it is written in."""

from __future__ import annotations

from dataclasses import dataclass, field

from liafseq.tasks.report_panels import Panel

__all__ = ["Block", "Code", "Facts", "Items", "Pictures", "Report", "Section", "Table", "Text"]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list; of each item, ``(name, text)``, the name stands out."""

    items: list[tuple[str, str]]


@dataclass(frozen=True)
class Facts:
    """Names and what belongs to them."""

    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table; a cell may have a second, smaller line after a newline."""

    caption: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Pictures:
    """Panels of one kind, with the models of their legend where they need one."""

    name: str
    caption: str
    panels: list[Panel]
    legend: list[str] = field(default_factory=list)
    columns: int = 3


@dataclass(frozen=True)
class Code:
    """Commands, a line each."""

    lines: list[str]


Block = Text | Items | Facts | Table | Pictures | Code


@dataclass(frozen=True)
class Section:
    title: str
    blocks: list[Block]


@dataclass(frozen=True)
class Report:
    """A title, what it comes to, and the sections."""

    title: str
    short: list[Block]
    sections: list[Section]
