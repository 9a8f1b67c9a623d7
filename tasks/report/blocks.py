"""The parts of a report, whatever it is written in; ``kind`` names each in the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from liafseq.tasks.report.style import Look, Panel
from liafseq.tasks.report.table import Table

__all__ = [
    "Block", "Captioned", "Code", "Facts", "Items", "Link", "Links", "Pictures", "Report", "Section", "Text",
]  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Items:
    """A list; of each item, ``(name, text)``, the name stands out."""

    kind: ClassVar[str] = "items"
    items: list[tuple[str, str]]


@dataclass(frozen=True)
class Facts:
    """Names and what belongs to them."""

    kind: ClassVar[str] = "facts"
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Captioned:
    """A table; a cell may have a second, smaller line after a newline."""

    kind: ClassVar[str] = "table"
    caption: str
    table: Table

    def wordy(self, column: int) -> bool:
        """Whether a column holds words, which may be folded, instead of figures."""
        return any(len(row[column]) > 24 and "\n" not in row[column] for row in self.table.rows)


@dataclass(frozen=True)
class Pictures:
    """Panels of one kind, with the models of their legend where they need one."""

    kind: ClassVar[str] = "pictures"
    name: str
    caption: str
    panels: list[Panel]
    legend: Mapping[str, Look] = field(default_factory=dict)
    columns: int = 3


@dataclass(frozen=True)
class Code:
    """Commands, a line each."""

    kind: ClassVar[str] = "code"
    lines: list[str]


@dataclass(frozen=True)
class Link:
    """A file or folder of the study, by its path in the study's folder, and what is said of it."""

    path: str
    text: str


@dataclass(frozen=True)
class Links:
    """Links under a line that opens and closes them."""

    kind: ClassVar[str] = "links"
    summary: str
    links: list[Link]


Block = Text | Items | Facts | Captioned | Pictures | Code | Links


@dataclass(frozen=True)
class Section:
    title: str
    blocks: list[Block]

    @property
    def anchor(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


@dataclass(frozen=True)
class Report:
    """A title, what it comes to, and the sections."""

    title: str
    short: list[Block]
    sections: list[Section]
