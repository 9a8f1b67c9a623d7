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
    task: Annotated[
        str | None, typer.Option("--task", help="Of a run on several tasks; by default the first.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="Which examples.", metavar="test|valid|train")
    ] = "test",
) -> None:
    """Draw what a network holds as it reads one example: membrane, spikes, the answer's probability.

    Of a network without membrane (rnn, gru, lstm) the hidden state is drawn, of an lstm the cell.

    Example: liafseq show runs/liaf-qa1-s0-1a2b3c4d --example 3
    """
    if split not in ("test", "valid", "train"):
        raise ValueError(f"--split: expected test, valid or train, got {split!r}")
    if example < 0:
        raise ValueError(f"--example must be at least 0, got {example}")
    if neurons < 1:
        raise ValueError(f"--neurons must be at least 1, got {neurons}")
    from liafseq.cli.options import make_folder
    from liafseq.tasks.run_folder import run_task

    kind = run_task(run)
    out = run / f"show-{example}.png" if out is None else out
    if out.suffix.lower() != ".png" or out.is_dir():
        raise ValueError(f"--out: expected the name of a PNG file such as story.png, got {str(out)!r}")
    if kind == "babi":
        from liafseq.tasks.babi.show import picture
    elif kind == "dvs":
        from liafseq.tasks.dvs.show import picture
    else:
        raise ValueError(f"{run}: a run of {kind!r}, of which there is no picture")
    make_folder(out.parent)
    data, text = picture(run, example, neurons=neurons, task=task, split=split)
    from liafseq.tasks.storage.files import write_atomic

    write_atomic(out, data)
    print(text)
    print(f"Written: {out}")
