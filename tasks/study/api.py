"""A study from Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from liafseq.tasks.results import Study
from liafseq.tasks.settings import flags_of
from liafseq.tasks.study.plan import StudyOptions
from liafseq.tasks.study.planned import Planned
from liafseq.tasks.study.runs import Event
from liafseq.tasks.task import Task, find

__all__ = ["compare"]


def compare(
    task: str | Task[Any, Any],
    models: str | Iterable[str] = "",
    folder: str | os.PathLike[str] = "",
    *,
    report: bool = True,
    on_progress: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Study:
    """Trains and evaluates models head-to-head, as ``liafseq compare`` does.

    Args:
        task: its name, or the task.
        models: such as ``"liaf,liaf:gated=true,gru"``, or a list of these; by default the task's own choice.
        folder: of the study; by default ``runs/compare-<task>``.
        report: whether report, plots and table are written into the folder.
        on_progress: is told what happens.
        settings: fields of the task's ``Config`` and of
            :class:`~liafseq.tasks.study.plan.StudyOptions`: ``seeds=3``, ``epochs=5``, ``jobs=2``. What is
            not given is as the command has it without options.

    Returns:
        The results, also in ``folder/results.json``.

    Raises:
        ValueError: (FieldError) a setting that cannot be; or the folder holds something else.
        FileNotFoundError: no such data.
    """
    task = find(task) if isinstance(task, str) else task
    own = {name: value for name, value in settings.items() if name in flags_of(StudyOptions)}
    own["models"] = models if isinstance(models, str) else ",".join(models)
    own["models"] = own["models"] or task.study.models
    options = StudyOptions(**{"seeds": task.study.seeds, **own})
    given = {name: value for name, value in settings.items() if name not in own}
    config = task.Config(**{**task.study.settings, **given})
    folder = Path(folder or f"runs/compare-{task.name}")
    study = (
        Planned.of(task, options, config)
        .ready(folder)
        .run(folder, jobs=options.jobs or 1, engine=options.engine, on_progress=on_progress)
    )
    if report:
        from liafseq.tasks.report.write import write_report

        write_report(study, folder)
    return study
