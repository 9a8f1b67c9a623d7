"""A report as one HTML file that needs nothing else: no network, no script, no font."""

from __future__ import annotations

import base64
from functools import singledispatch
from html import escape
from typing import Any

from liafseq.tasks.report_blocks import Code, Facts, Items, Pictures, Report, Section, Table, Text
from liafseq.tasks.report_panels import svg, swatch

__all__ = ["html"]

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1a1a1a; font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "Liberation Sans", Arial, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .8rem; padding-top: .6rem; border-top: 1px solid #d8d8d8; }
p, li { max-width: 50rem; overflow-wrap: anywhere; }
a { color: #004b7c; }
.short { background: #f4f7fa; border-left: 4px solid #0072b2; padding: .9rem 1.2rem; }
.short p { margin: 0 0 .4rem; } .short ul { margin: 0; padding-left: 1.2rem; } .short li { max-width: none; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; margin: 1.2rem 0 0; padding: 0;
  font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.4rem; margin: 0 0 1rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; text-align: right; vertical-align: top; }
thead th { border-bottom: 2px solid #1a1a1a; vertical-align: bottom; }
tbody th, tbody td { border-bottom: 1px solid #e2e2e2; }
th:first-child, td.words { text-align: left; } tbody th { font-weight: 600; white-space: nowrap; }
tbody th, thead th:first-child { position: sticky; left: 0; background: #fff; }
td { white-space: nowrap; } td.words { min-width: 14rem; white-space: normal; }
td small { display: block; color: #555; font-size: .8em; }
figure { margin: 1.4rem 0; }
figcaption { color: #444; font-size: .9rem; max-width: 50rem; margin-bottom: .6rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1rem; }
.panels.two { grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); }
.panels.one { grid-template-columns: minmax(0, 34rem); }
.panels img { width: 100%; max-width: 32rem; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; margin: 0 0 .6rem;
  font-size: .9rem; }
.legend img { height: 1.1em; vertical-align: -.15em; margin-right: .3em; }
pre { background: #f4f4f4; padding: .8rem 1rem; overflow-x: auto; font: .85rem/1.5 ui-monospace, Consolas,
  "Liberation Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
footer { margin-top: 3rem; color: #555; font-size: .85rem; }
@media (max-width: 40rem) {
  body { font-size: 15px; } main { padding: 1.2rem 1rem 3rem; } h1 { font-size: 1.5rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .6rem; }
}
@media print {
  @page { margin: 16mm 14mm; }
  body { font-size: 9.5pt; } main { max-width: none; padding: 0; } nav { display: none; }
  h1 { font-size: 17pt; } h2 { font-size: 12.5pt; margin-top: 1.4rem; break-after: avoid; }
  .scroll { overflow: visible; } td.words { min-width: 0; }
  figcaption, pre { font-size: .95em; }
  th, td { padding-right: .6rem; } tbody th, thead th:first-child { position: static; }
  tr, .panels img, pre, dl > *, p, li, figcaption, .short { break-inside: avoid; }
  thead { display: table-header-group; }
  figcaption { break-after: avoid; }
  .panels:not(.one, .two) { grid-template-columns: repeat(3, 1fr); }
  .panels.two { grid-template-columns: repeat(2, 1fr); }
  .short, pre { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""


def html(report: Report) -> str:
    """The report as the text of an HTML file."""
    links = "".join(
        f'<li><a href="#{_anchor(section)}">{escape(section.title)}</a></li>' for section in report.sections
    )
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Nothing is fetched and no script runs, whatever a text of the results holds.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        f"<title>{escape(report.title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>",
        f"<h1>{escape(report.title)}</h1>",
        f'<div class="short">{"".join(map(_block, report.short))}</div>',
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>',
    ]
    for section in report.sections:
        parts.append(f'<section id="{_anchor(section)}">\n<h2>{escape(section.title)}</h2>')
        parts += [*map(_block, section.blocks), "</section>"]
    parts.append("<footer>Written by liafseq; report.md holds the same in Markdown.</footer>")
    parts.append("</main>\n</body>\n</html>\n")
    return "\n".join(parts)


@singledispatch
def _block(block: Any) -> str:
    raise TypeError(f"no such part of a report: {type(block).__name__}")


@_block.register
def _(block: Text) -> str:
    return f"<p>{escape(block.text)}</p>"


@_block.register
def _(block: Items) -> str:
    items = "".join(f"<li><strong>{escape(name)}</strong>: {escape(text)}</li>" for name, text in block.items)
    return f"<ul>{items}</ul>"


@_block.register
def _(block: Facts) -> str:
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in block.facts)
    return f"<dl>{facts}</dl>"


@_block.register
def _(block: Table) -> str:
    columns = range(len(block.header))
    words = [any(len(row[at]) > 24 and "\n" not in row[at] for row in block.rows) for at in columns]
    head = "".join(
        f'<th scope="col"{_left(wordy)}>{escape(name)}</th>'
        for name, wordy in zip(block.header, words, strict=True)
    )
    rows = []
    for name, *cells in block.rows:
        inner = "".join(
            f"<td{_words(wordy)}>{_cell(cell)}</td>" for cell, wordy in zip(cells, words[1:], strict=True)
        )
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{inner}</tr>')
    # To be reached and moved by the keyboard where it is wider than the page.
    name = escape(block.caption.partition(":")[0])
    return (
        f"<figure><figcaption>{escape(block.caption)}</figcaption>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}"><table aria-label="{name}">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></figure>"
    )


@_block.register
def _(block: Pictures) -> str:
    legend = "".join(
        f'<li><img src="{_data(swatch(model))}" alt="">{escape(model)}</li>' for model in block.legend
    )
    legend = f'<ul class="legend">{legend}</ul>' if legend else ""
    panels = "".join(
        f'<img src="{_data(svg(panel))}" alt="{escape(panel.alt)}" '
        f'width="{round(96 * panel.width)}" height="{round(96 * panel.height)}">'
        for panel in block.panels
    )
    wide = " one" if len(block.panels) == 1 else " two" if block.columns == 2 else ""
    return (
        f"<figure><figcaption>{escape(block.caption)}</figcaption>{legend}"
        f'<div class="panels{wide}">{panels}</div></figure>'
    )


@_block.register
def _(block: Code) -> str:
    return "".join(f"<pre><code>{escape(line)}</code></pre>" for line in block.lines)


def _anchor(section: Section) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in section.title.lower())


def _cell(text: str) -> str:
    first, _, second = text.partition("\n")
    return escape(first) + (f"<small>{escape(second)}</small>" if second else "")


def _words(wordy: bool) -> str:
    return ' class="words"' if wordy else ""


def _left(wordy: bool) -> str:
    return ' style="text-align: left"' if wordy else ""


def _data(content: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode('ascii')}"
