"""Writes what a study's folder has for people: the report, its pictures, the table."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from liafseq.tasks.report.blocks import Report
from liafseq.tasks.report.columns import notes, study_table
from liafseq.tasks.report.content import report
from liafseq.tasks.report.markdown import escaped, markdown_report
from liafseq.tasks.report.style import svg, swatch
from liafseq.tasks.report.suite import suite_report
from liafseq.tasks.report.suite_table import cost_table, score_table, suite_notes
from liafseq.tasks.results import Study
from liafseq.tasks.storage.files import write_atomic
from liafseq.tasks.suite_results import Suite

__all__ = ["table_text", "write_html", "write_report"]

TEMPLATES = Path(__file__).parent / "templates"


def write_report(study: Study | Suite, folder: Path) -> list[Path]:
    """Writes report.html, report.md with its pictures, and table.md into the study's folder.

    Returns:
        The files written, the report first; without a finished run there is nothing to plot.
    """
    folder = Path(folder)
    return [
        *write_html(study, folder, folder / "report.html"),
        write_atomic(folder / "table.md", table_text(study)),
    ]


def write_html(study: Study | Suite, folder: Path, out: Path) -> list[Path]:
    """Writes the report as one HTML file, and as Markdown, with its pictures, beside it.

    Args:
        study: its results.
        folder: of the study, for the learning curves and the networks.
        out: the HTML file. The pictures beside it have its name before theirs, unless it is called report.

    Returns:
        The files written, the HTML file first.
    """
    folder, out = Path(folder), Path(out)
    content = suite_report(study) if isinstance(study, Suite) else report(study, folder)
    base = Path(os.path.relpath(folder, out.parent)).as_posix()
    before = "" if out.stem == "report" else f"{out.stem}-"

    def name(picture: str) -> str:
        return before + re.sub(r"[^A-Za-z0-9._-]+", "-", picture) + ".png"

    def href(path: str) -> str:
        # ./ so that no name is read as a protocol
        return quote(f"{base}/{path}" if base != "." else f"./{path}")

    text, pictures = markdown_report(content, lambda picture: quote(name(picture)), href)
    # The HTML file last: where it is, the others are.
    files = [write_atomic(out.with_name(name), data) for name, data in pictures.items()]
    files.insert(0, write_atomic(out.with_suffix(".md"), text))
    return [write_atomic(out, _html(content, href, out.with_suffix(".md").name)), *files]


def table_text(study: Study | Suite) -> str:
    """The content of table.md: the table, its notes, and its parts spelt out."""
    if isinstance(study, Suite):
        tables = [score_table(study).markdown(), cost_table(study).markdown()]
        return "\n\n".join([*tables, *map(escaped, suite_notes(study))]) + "\n"
    parts = [words for name, words in study.parts.items() if words != name]
    below = list(notes(study))
    below[1:1] = [f"Columns: {'; '.join(parts)}."] if parts else []
    return "\n\n".join([study_table(study).markdown(), *map(escaped, below)]) + "\n"


def _html(content: Report, href: object, markdown: str) -> str:
    """One file that needs nothing else: no network, no script, no font."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return templates.get_template("report.html.j2").render(
        report=content, style=style, href=href, markdown=markdown,
        picture=lambda panel: _data(svg(panel)), swatch=lambda shown: _data(swatch(shown)),
    )  # fmt: skip


def _data(content: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode('ascii')}"
