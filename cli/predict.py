"""``liafseq predict``: what a trained network makes of what a person gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["predict"]


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN", show_default=False)],
    text: Annotated[
        str,
        typer.Argument(
            help="A text or a file, as the run's task reads it.", metavar="TEXT", show_default=False
        ),
    ],
) -> None:
    """Answer a question, or say the class of a file, with the trained network of a run folder.

    Example: liafseq predict runs/liaf-qa1-s0-1a2b3c4d "Mary went to the kitchen. Where is Mary?"
    """
    from liafseq.tasks.training.run import load

    print(load(run).predict(text))
