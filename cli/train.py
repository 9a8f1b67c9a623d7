"""``liafseq train TASK``: one model, one run folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from liafseq.cli import options as o
from liafseq.cli.groups import TaskGroup
from liafseq.tasks.commands import named_folder
from liafseq.tasks.config import FieldError, replace
from liafseq.tasks.study.plan import StudyOptions, optioned
from liafseq.tasks.task import Task
from liafseq.tasks.toml import lines
from liafseq.tasks.training.processes import elastic, first_process

if TYPE_CHECKING:
    from liafseq.tasks.results import Outcome

__all__ = ["command"]

OUT = o.plain_option(
    "out", str | None, None, "--out", "-o", panel="Study", metavar="FOLDER",
    help="Run folder; by default runs/ and a name of its own.",
)  # fmt: skip
ONLY_COMPARE = frozenset(StudyOptions.model_fields) - {"options"}


def command(task: Task[Any, Any]) -> Any:
    """The function of ``liafseq train TASK``."""
    own = o.Source(task.Config, {})
    extra = o.Source(StudyOptions, {}, without=ONLY_COMPARE)
    made = o.Command(task, own, extra)

    def run(given: dict[str, Any]) -> None:
        try:
            said = made.said(given, given["config"])
            texts = said.pop("options", ())
            config = made.build(own, said)
            (spec,) = optioned([config.model], texts)
            config = with_torchrun(replace(config, model=spec))
            spec.check(task.kinds)
            o.check_threads(config)
        except FieldError as error:
            raise made.option_error(error) from None
        if given["print_config"]:
            print("\n".join(lines(made.flags, [config])))
            return
        folder = Path("runs") / config.key() if given["out"] is None else named_folder(given["out"])
        try:
            train(task, config, folder, given["logger"])
        except FieldError as error:  # what does not fit the data
            raise made.option_error(error) from None

    run.__doc__ = f"""Train one model on {task.title} and score it on the test {task.word}.

    The run folder holds config.json, metrics.jsonl, checkpoint.safetensors and result.json. Stopped at any
    moment, the same command goes on where it was. Started by torchrun, its processes share the run.

    Example: liafseq train {task.name} --model {task.Config().model.label} --epochs 5
    """
    return made.function(run, OUT, o.CONFIG_FILE, o.PRINT_CONFIG, o.LOGGER)


def train(task: Task[Any, Any], config: Any, folder: Path, logger: str | None) -> None:
    """Trains in this process and tells of it; the helper processes of several devices print nothing."""
    from liafseq.cli.progress import TrainProgress, resumable
    from liafseq.tasks.storage.lock import folder_lock
    from liafseq.tasks.training.folder import check_free

    o.check_logger(logger)
    check_free(folder)
    floor = task.floor(config)  # finds what is wrong with the data, before torch is loaded
    config.model.try_out()
    o.check_device(config)
    o.make_folder(folder)
    from liafseq.tasks.training.run import run

    with resumable():
        try:
            if not first_process():
                run(task, config, folder, logger=logger)
                return
            # Ten seconds: a command that was killed a moment ago may still be going away.
            with folder_lock(folder, wait=10.0), TrainProgress(task, config) as progress:
                outcome = run(task, config, folder, progress=progress, logger=logger)
                progress.end(outcome)
        except (ArithmeticError, RuntimeError) as error:
            if os.environ.get("LIAFSEQ_DEBUG"):
                raise
            text = " ".join(f"{error}".split())
            print(f"liafseq: the run failed: {type(error).__name__}: {text}", file=sys.stderr)
            raise typer.Exit(1) from None
    _tell(task, config, outcome, floor, folder)


def _tell(task: Task[Any, Any], config: Any, outcome: Outcome, floor: Any, folder: Path) -> None:
    from liafseq.cli.progress import print_table
    from liafseq.tasks.report.table import Table

    metric = task.metric
    names = list(outcome.test)
    cells = [metric.text(outcome.test[name].metrics[metric.name]) for name in names]
    if len(names) > 1:
        names, cells = [*names, "mean"], [*cells, metric.text(outcome.mean(metric.name))]
    for other in task.metrics[1:]:
        if (value := outcome.mean(other.name)) is not None:
            names.append(other.words)
            cells.append(other.text(value))
    print_table(Table(("model", *names), ((config.model.label, *cells),)))
    count = sum(outcome.examples.test.values())
    print(
        f"Test {metric.words}{metric.unit_words} of {count:,} {task.word}; {outcome.parameters:,} weights; "
        f"best epoch {outcome.best_epoch}."
    )
    if outcome.left_out:
        print(f"Left out: {outcome.left_out} training steps whose gradient was not finite.")
    if floor:
        shares = ", ".join(f"{metric.text(value)} ({name})" for name, value in floor.items())
        print(f"Always the {task.constant}: {shares}.")
    print(f"Run folder: {folder}")


def with_torchrun(config: Any) -> Any:
    """The run with torchrun's devices and nodes, where the command was started by torchrun."""
    size = elastic()
    if size is None or (config.devices, config.nodes) != (1, 1):
        return config
    return replace(config, devices=size[0], nodes=size[1])


class TrainGroup(TaskGroup):
    make = staticmethod(command)
