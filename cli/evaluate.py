"""``liafseq evaluate``: a run folder's checkpoint on its own or other data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

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
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Another folder of a run's event recordings.", metavar="FOLDER"),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="Which part of the data.", metavar="test|valid|train")
    ] = "test",
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda, mps, or auto; else the run's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line a run.")] = False,
) -> None:
    """Evaluate the checkpoint of one or more run folders, on their own or on other data.

    --source, --variant and --tasks are for bAbI runs, --data-dir for event recordings.

    Example: liafseq evaluate runs/gru-qa1-s0-1a2b3c4d --source tasks_1-20_v1-2 --variant en-10k
    """
    if len(runs) > 1 and str(runs[0]) in ("babi", "dvs") and not runs[0].exists():
        runs = runs[1:]  # liafseq evaluate babi RUN, as train and compare have it
    if split not in ("test", "valid", "train"):
        raise ValueError(f"--split: expected test, valid or train, got {split!r}")
    numbers = None if tasks is None else o.parse_tasks(tasks)
    from liafseq.tasks.run_folder import run_task

    kinds = [run_task(run) for run in runs]
    evaluators = {
        "babi": _Babi({"source": source, "variant": variant, "tasks": numbers}),
        "dvs": _Dvs({"data_dir": None if data_dir is None else str(data_dir.expanduser().absolute())}),
    }
    for run, kind in zip(runs, kinds, strict=True):  # all of them, before the work on the first begins
        if kind not in evaluators:
            raise ValueError(f"{run}: a run of {kind!r}, which this command does not know")
        evaluators[kind].check(run)
    for kind, evaluator in evaluators.items():
        given = [
            f"--{name.replace('_', '-')}" for name, value in evaluator.other.items() if value is not None
        ]
        if given and kind not in kinds:
            raise ValueError(f"{given[0]} is for {kind} runs, and there is none among the given")

    found = []
    for run, kind in zip(runs, kinds, strict=True):
        found.append(evaluators[kind].evaluate(run, split=split, device=device))
        if as_json:
            print(json.dumps({"run": str(run), **found[-1]}), flush=True)
    if not as_json:
        _print(runs, found, split)


class _Babi:
    """Evaluates bAbI runs; ``other`` holds what replaces a run's own data."""

    def __init__(self, other: dict[str, Any]) -> None:
        self.other = other

    def check(self, run: Path) -> None:
        from liafseq.tasks.babi.adapter import read_config

        read_config(run)

    def evaluate(self, run: Path, **how: Any) -> dict[str, Any]:
        from liafseq.tasks.babi.adapter import evaluate

        return evaluate(run, **self.other, **how)


class _Dvs(_Babi):
    """The same of runs on event recordings."""

    def check(self, run: Path) -> None:
        from liafseq.tasks.dvs.adapter import read_config

        read_config(run)

    def evaluate(self, run: Path, **how: Any) -> dict[str, Any]:
        from liafseq.tasks.dvs.adapter import evaluate

        return evaluate(run, **self.other, **how)


def _print(runs: Sequence[Path], found: Sequence[Mapping[str, Any]], split: str) -> None:
    from liafseq.cli.progress import print_table

    named = {task for result in found for task in result["accuracy"]}
    order = sorted(named, key=lambda task: (0, int(task), "") if task.isdigit() else (1, 0, task))
    header = ["run", *(f"task {task}" if task.isdigit() else task for task in order)]
    header += ["mean"] if len(order) > 1 else []
    rows = []
    for run, result in zip(runs, found, strict=True):
        values = [result["accuracy"].get(task) for task in order]
        values += [result["mean_accuracy"]] if len(order) > 1 else []
        rows.append([run.name, *("-" if value is None else f"{100 * value:.1f}" for value in values)])
    print_table(header, rows)
    kind = "recordings" if not any(task.isdigit() for task in order) else "questions"
    print(f"Accuracy in percent of the {split} {kind}.")
