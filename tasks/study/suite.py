"""Studies over several tasks as one: an ordinary study for each, and what they say together.

The tasks are done one after another, each by :func:`liafseq.tasks.study.compare.run_study`, so that a suite
that was stopped goes on as each of its studies does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from liafseq.tasks import task as tasks
from liafseq.tasks.execution.engines import Engine
from liafseq.tasks.results import RESULTS, StudyTime
from liafseq.tasks.settings import FieldError
from liafseq.tasks.storage.files import remove_leftovers, write_atomic
from liafseq.tasks.storage.lock import folder_lock
from liafseq.tasks.study.machine import machine
from liafseq.tasks.study.planned import Planned
from liafseq.tasks.study.ranks import rank_tasks
from liafseq.tasks.study.runs import Event
from liafseq.tasks.study.suite_file import plan_suite, suite_toml
from liafseq.tasks.suite_results import SETTINGS, SUITE, Entry, Suite
from liafseq.tasks.toml import read_toml

__all__ = ["DEFAULT", "check_suite_folder", "compare_suite", "ready_suite", "run_suite"]

DEFAULT = Path(__file__).with_name("suite.toml")
"""The suite of ``liafseq compare suite``: a table for each task."""


def compare_suite(
    suite: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] = "runs/compare-suite",
    *,
    report: bool = True,
    on_progress: Callable[[str, Event], None] | None = None,
    **settings: Any,
) -> Suite:
    """Trains and evaluates models head-to-head on several tasks, as ``liafseq compare --config FILE`` does.

    Args:
        suite: a TOML file with ``[[task]]`` tables, or its content; by default all tasks, small.
        folder: of the suite: ``suite.json``, the report, and a folder for each task's study.
        report: whether reports, plots and tables are written.
        on_progress: is told what happens, with the label of the task before it.
        settings: by field, such as ``seeds=3, epochs=5``; they go before those of the file, to every task
            that has them.

    Returns:
        The results, also in ``folder/suite.json``.

    Raises:
        ValueError: a setting that cannot be, models that are not the same in all tasks, or a folder of
            something else.
        FileNotFoundError: no such file, or no such data.
    """
    if isinstance(suite, Mapping):
        content, where = suite, "suite"
    else:
        where = str(suite or DEFAULT.name)
        content = read_toml(Path(suite or DEFAULT), where)
    planned = plan_suite(content, where, settings)
    folder = Path(folder)
    options = next(iter(planned.values())).options
    return run_suite(
        ready_suite(planned, folder),
        folder,
        jobs=options.jobs or 1,
        engine=options.engine,
        on_progress=on_progress,
        report=report,
    )


def ready_suite(planned: Mapping[str, Planned], folder: Path) -> dict[str, Planned]:
    """The suite with its data read and its sizes solved, once its folders are seen to be free."""
    check_suite_folder(folder, planned)
    ready = {}
    for label, one in planned.items():
        try:
            ready[label] = one.ready(folder / label)
        except FieldError:
            raise
        except ValueError as error:
            raise ValueError(f"[[task]] {label}: {error}") from error
    return ready


def run_suite(
    planned: Mapping[str, Planned],
    folder: Path,
    *,
    jobs: int | None = 1,
    engine: str | Engine = "local",
    logger: str | None = None,
    on_progress: Callable[[str, Event], None] | None = None,
    report: bool = True,
) -> Suite:
    """Does the studies, each in ``folder/<its label>``, and writes ``folder/suite.json``.

    Args:
        planned: of :func:`ready_suite`.
        folder: new, empty, or of the same suite.
        jobs, engine, logger: as of :func:`liafseq.tasks.study.compare.run_study`.
        on_progress: is told what happens, with the label of the task before it.
        report: whether reports are written, of the suite and of each task.

    Raises:
        ValueError: the folder is of something else.
        FolderInUseError: another command is writing into it.
    """
    began = time.monotonic()
    with folder_lock(folder):
        check_suite_folder(folder, planned)
        remove_leftovers(folder, SUITE)
        entries, found = [], {}
        for label, one in planned.items():

            def hear(event: Event, label: str = label) -> None:
                if on_progress is not None:
                    on_progress(label, event)

            study = one.run(folder / label, jobs=jobs, engine=engine, logger=logger, on_progress=hear)
            entries.append(Entry.of(label, study))
            found = study.versions
            if report:
                from liafseq.tasks.report.write import write_report

                write_report(study, folder / label)
        suite = Suite(
            entries=tuple(entries),
            ranks=rank_tasks({entry.label: _scores(entry) for entry in entries}),
            command=("liafseq", "compare", "--config", SETTINGS),
            versions=found,
            time=StudyTime(
                seconds=round(time.monotonic() - began, 2),
                jobs=jobs,
                date=datetime.now(timezone.utc).date().isoformat(),
                machine=machine(),
            ),
        )
        suite.write(folder / SUITE)
        write_atomic(folder / SETTINGS, suite_toml(planned))
        if report:
            from liafseq.tasks.report.write import write_report

            write_report(suite, folder)
    return suite


def check_suite_folder(folder: Path, planned: Mapping[str, Planned]) -> None:
    """Sees that a folder is new, empty or of this very suite.

    Raises:
        ValueError: it holds another suite, a study of one task, a run, or somebody's own files.
    """
    if not folder.is_dir():
        return
    advice = "give another --out, or delete it"
    for name, what in (("config.json", "a run"), (RESULTS, "a study of one task")):
        if (folder / name).exists():
            raise ValueError(f"{folder}: holds {what}, not a study over several tasks; {advice}")
    if (folder / SUITE).exists():
        try:
            there = {entry.label: entry.task for entry in Suite.read(folder / SUITE).entries}
        except ValueError as error:
            if "not valid JSON" in str(error):
                return  # damaged, and written anew
            raise ValueError(f"{folder}: {SUITE} is not that of a study of this version; {advice}") from None
        same = [label for label, one in planned.items() if there.get(label) == one.task.name]
        other = [label for label in planned if label in there and label not in same]
        if other or not same:
            raise ValueError(
                f"{folder}: holds another study over several tasks ({', '.join(there)}); {advice}"
            )
        return
    foreign = sorted(
        path.name
        for path in folder.iterdir()
        if not path.name.startswith(".") and not (path.is_dir() and path.name in planned)
    )
    if foreign:
        raise ValueError(f"{folder}: holds files that are not of this study ({foreign[0]}); {advice}")


def _scores(entry: Entry) -> dict[str, float | None]:
    """The figure of each model, such that more is better; None where a run has failed."""
    metric = tasks.find(entry.task).metric
    found: dict[str, float | None] = {}
    for one in entry.summary:
        spread = entry.score(one.model)
        found[one.model] = None if spread is None else metric.better(spread.mean)
    return found
