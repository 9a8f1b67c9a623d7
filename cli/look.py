"""What there is: ``liafseq models``, ``tasks`` and ``list``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from liafseq.tasks.models import known, model
from liafseq.tasks.report.table import Table
from liafseq.tasks.results import value_text
from liafseq.tasks.task import find, installed, names

__all__ = ["list_runs", "models", "tasks"]


def _model_names(incomplete: str) -> list[str]:
    return [name for name in known() if name.startswith(incomplete)]


def _task_names(incomplete: str) -> list[str]:
    return [name for name in names() if name.startswith(incomplete)]


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A model, for its options; by default all models.",
            metavar="[NAME]",
            show_default=False,
            autocompletion=_model_names,
        ),
    ] = None,
) -> None:
    """List the models, or the options of one with their defaults.

    Example: liafseq models liaf
    """  # fmt: skip
    from liafseq.cli.progress import print_table

    if name is None:
        rows = [
            (found, "maps" if model(found).kind == "maps" else "vectors", model(found).title)
            for found in known()
        ]
        print_table(Table(("model", "reads", "is"), tuple(rows), words=True))
        print("Its options: liafseq models NAME. In a study: --models liaf,liaf:gated=true,gru")
        return
    chosen = model(name)
    print(f"{name}: {chosen.title} ({chosen.path.replace(':', '.')})")
    rows = [(option, value, text) for option, value, text in chosen.described()]
    if not rows:
        print("No options.")
        return
    print_table(Table(("option", "default", "meaning"), tuple(rows), words=True))


def tasks(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A task, for its metrics and settings; by default all tasks.",
            metavar="[NAME]",
            show_default=False,
            autocompletion=_task_names,
        ),
    ] = None,
) -> None:
    """List the tasks, or what one is judged by and its settings with their defaults.

    Example: liafseq tasks babi
    """  # fmt: skip
    from liafseq.cli.progress import paragraph, print_table
    from liafseq.tasks.settings import extra, flag_of, flags_of

    if name is None:
        rows = [
            (task.name, task.title, ", ".join(metric.words for metric in task.metrics))
            for task in installed()
        ]
        print_table(Table(("task", "is", "metrics"), tuple(rows), words=True))
        return
    task = find(name)
    print(f"{name}: {task.title}. {(type(task).__doc__ or '').splitlines()[0]}")
    for metric in task.metrics:
        direction = "higher" if metric.higher_is_better else "lower"
        unit = f" in {metric.unit}" if metric.unit else ""
        print(f"Metric: {metric.words}{unit}, {direction} is better.")
    print(paragraph(f"Models: {', '.join(known(task.kinds))}."))
    settings = [
        (f"--{flag_of(field, info)}", value_text(info.default) if info.default not in (None, ()) else "-",
         str(extra(info, "panel")), (info.description or "").replace("{examples}", task.word))
        for field, info in flags_of(task.Config).items()
    ]  # fmt: skip
    print_table(Table(("option", "default", "panel", "meaning"), tuple(settings), words=True))


def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where the runs and studies lie.", metavar="[DIR]")] = Path(
        "runs"
    ),
) -> None:
    """List the runs and studies below a folder, with their figures.

    Example: liafseq list runs
    """
    from liafseq.cli.progress import print_table
    from liafseq.tasks.results import RESULTS, read_study
    from liafseq.tasks.suite_results import SUITE, Suite
    from liafseq.tasks.training.folder import CONFIG, intact, read_config
    from liafseq.tasks.training.log import reached

    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    suites, studies, runs, damaged = [], [], [], []
    for path in sorted(folder.rglob(SUITE)):
        try:
            ranks = Suite.read(path).ranks
        except ValueError as error:
            damaged.append(str(error))
            continue
        over = ", ".join(ranks.tasks)
        suites += [(str(path.parent), over, model, f"{ranks.mean[model]:.2f}") for model in ranks.ordered()]
    for path in sorted(folder.rglob(RESULTS)):
        try:
            study = read_study(path.parent)
        except ValueError as error:
            damaged.append(str(error))
            continue
        metric = find(study.task).metric
        for entry in study.summary:
            spread = entry.mean[metric.name]
            figure = metric.text(None if spread is None else spread.mean, unit=True)
            studies.append(
                (
                    str(path.parent),
                    study.task,
                    entry.model,
                    figure,
                    f"{entry.runs - entry.failed}/{entry.runs}",
                )
            )
    for path in sorted(folder.rglob(CONFIG)):
        try:
            task, config = read_config(path.parent)
        except ValueError as error:
            damaged.append(str(error))
            continue
        metric, outcome = task.metric, intact(path.parent)
        if outcome is None:
            so_far = reached(path.parent, metric)
            figure, state = metric.text(so_far.valid, unit=True), f"epoch {so_far.epochs_run}/{config.epochs}"
        else:
            mean = outcome.mean(metric.name)
            figure, state = metric.text(mean, unit=True), "finished"
        parts = ", ".join(part.name for part in task.parts(config))
        runs.append((str(path.parent), config.model.label, parts, str(config.seed), state, figure))
    if suites:
        print_table(Table(("study of tasks", "ranked on", "model", "mean rank"), tuple(suites), words=True))
    if studies:
        print_table(Table(("study", "task", "model", "mean", "runs"), tuple(studies), words=True))
    if runs:
        print_table(Table(("run", "model", "on", "seed", "state", "test"), tuple(runs), words=True))
    if not suites and not studies and not runs:
        print(f"No runs and no studies below {folder}.")
    for line in damaged:
        print(f"Not read: {line}")
