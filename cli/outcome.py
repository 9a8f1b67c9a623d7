"""What a comparison prints at its end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

__all__ = ["tell"]


def tell(results: Mapping[str, Any], out: Path, files: Sequence[Path]) -> None:
    """Prints the table, what its figures are and where everything lies; exit code 1 if a run failed."""
    from liafseq.cli.progress import print_table, room
    from liafseq.tasks import report

    sign = report.plus_minus_for(sys.stdout.encoding)
    shown = report.table(results, plus_minus=sign)
    if len(report.plain_table(*shown).splitlines()[0]) + len(shown[0]) > room():
        shown = report.table(results, plus_minus=sign, transpose=True)
    print_table(*shown)
    below = report.notes(results, sign)
    print("\n".join([*below, *(line for line in results["fairness"] if line not in below)]))
    print("Written: " + ", ".join(str(path) for path in [out / "results.json", *files]))
    if any(row["status"] == "failed" for row in results["runs"]):
        print("liafseq: some runs failed; the same command tries them again", file=sys.stderr)
        raise typer.Exit(1)
