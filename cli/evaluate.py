"""``liafseq evaluate``: a run folder's checkpoint on its own or other questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from liafseq.cli import options as o

__all__ = ["evaluate"]


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", metavar="RUN...", show_default=False)],
    source: Annotated[
        str | None,
        typer.Option("--source", help="Other questions: generated, hub, or a path.", metavar="SOURCE"),
    ] = None,
    variant: Annotated[
        str | None, typer.Option("--variant", help="Part of the published data: en, en-10k, ...")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option("--tasks", help="Other tasks than the run's.", metavar="1,4-6")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="Which questions.", metavar="test|valid|train")
    ] = "test",
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda, mps, or auto; else the run's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line a run.")] = False,
) -> None:
    """Evaluate the checkpoint of one or more run folders, on their own or on other questions.

    Example: liafseq evaluate runs/gru-qa1-s0-1a2b3c4d --source tasks_1-20_v1-2 --variant en-10k
    """
    if len(runs) > 1 and str(runs[0]) == "babi" and not runs[0].exists():
        runs = runs[1:]  # liafseq evaluate babi RUN, as train and compare have it
    if split not in ("test", "valid", "train"):
        raise ValueError(f"--split: expected test, valid or train, got {split!r}")
    numbers = None if tasks is None else o.parse_tasks(tasks)
    from liafseq.tasks.babi.adapter import evaluate as evaluate_run
    from liafseq.tasks.babi.adapter import read_config

    for run in runs:
        read_config(run)  # all of them, before the work on the first begins

    found = []
    for run in runs:
        found.append(
            evaluate_run(run, source=source, variant=variant, tasks=numbers, split=split, device=device)
        )
        if as_json:
            print(json.dumps({"run": str(run), **found[-1]}), flush=True)
    if as_json:
        return
    from liafseq.cli.progress import print_table

    order = sorted({int(task) for result in found for task in result["accuracy"]})
    header = ["run", *(f"task {task}" for task in order)]
    header += ["mean"] if len(order) > 1 else []
    rows = []
    for run, result in zip(runs, found, strict=True):
        values = [result["accuracy"].get(str(task)) for task in order]
        values += [result["mean_accuracy"]] if len(order) > 1 else []
        rows.append([run.name, *("-" if value is None else f"{100 * value:.1f}" for value in values)])
    print_table(header, rows)
    print(f"Accuracy in percent of the {split} questions.")
