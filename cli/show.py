"""``liafseq show``: what a network holds as it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["show"]


def show(
    run: Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN", show_default=False)],
    example: Annotated[int, typer.Option("--example", "-k", help="Which example of the split, from 0.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The picture; by default RUN/show-K.png.", metavar="FILE.png"),
    ] = None,
    neurons: Annotated[int, typer.Option("--neurons", help="How many neurons: those that change most.")] = 24,
    part: Annotated[
        str | None, typer.Option("--part", help="Of a run on several parts, such as 6; by default the first.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="Which examples.", metavar="test|valid|train")
    ] = "test",
) -> None:
    """Draw what a network holds as it reads one example: membrane, spikes, the answer's probability.

    Of a network without membrane (rnn, gru, lstm) the hidden state is drawn, of an lstm the cell.

    Example: liafseq show runs/liaf-qa1-s0-1a2b3c4d --example 3
    """
    from liafseq.cli.options import check_split, make_folder

    check_split(split)
    if example < 0:
        raise ValueError(f"--example must be at least 0, got {example}")
    if neurons < 1:
        raise ValueError(f"--neurons must be at least 1, got {neurons}")
    from liafseq.tasks.training.folder import read_config

    task, _ = read_config(run)
    out = run / f"show-{example}.png" if out is None else out
    if out.suffix.lower() != ".png" or out.is_dir():
        raise ValueError(f"--out: expected the name of a PNG file such as story.png, got {str(out)!r}")
    from liafseq.tasks.storage.files import write_atomic
    from liafseq.tasks.training.trained import load

    make_folder(out.absolute().parent)
    chosen = None if part is None else task.part_names(part)[0]
    data, text = load(run).picture(example, neurons=neurons, part=chosen, split=split)
    write_atomic(out, data)
    print(text)
    print(f"Written: {out}")
