"""``liafseq report``: the report on a study, anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder of a study, of one task or of several.", metavar="DIR", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The HTML file; by default DIR/report.html.", metavar="FILE"),
    ] = None,
) -> None:
    """Write the report on a study: what was run, scores, costs, and what is told apart.

    One HTML file that needs nothing else, and beside it the same in Markdown with pictures.

    Example: liafseq report runs/compare-babi
    """
    from liafseq.cli.options import make_folder
    from liafseq.tasks.report.write import write_html
    from liafseq.tasks.suite_results import read_results

    study = read_results(folder)
    out = folder / "report.html" if out is None else out
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise ValueError(f"--out: expected the name of an HTML file such as report.html, got {str(out)!r}")
    make_folder(out.absolute().parent)
    print("Written: " + ", ".join(map(str, write_html(study, folder, out))))
