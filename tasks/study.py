"""A study: many runs side by side in worker processes, one result."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from liafseq.tasks.costs import summarise_cost
from liafseq.tasks.engines import Engine, engine_of
from liafseq.tasks.fairness import fairness
from liafseq.tasks.machine import machine
from liafseq.tasks.nodes import this_node
from liafseq.tasks.runs import Event, RunConfig, Work, varying
from liafseq.tasks.search import Search, settle
from liafseq.tasks.statistics import bootstrap_interval, compare_pairs, mean_interval
from liafseq.tasks.storage.files import remove_leftovers, write_json
from liafseq.tasks.storage.lock import folder_lock

__all__ = ["SOLVED_ERROR", "Event", "RunConfig", "compare", "summarise", "versions"]

SOLVED_ERROR = 0.05
"""A task counts as solved with at most this error (Weston et al. 2015)."""

BABI_RUNNER = "liafseq.tasks.babi.adapter:run"


def compare(
    runs: Sequence[RunConfig],
    folder: str | os.PathLike[str],
    *,
    jobs: int | None = 1,
    runner: str | Callable[..., dict[str, Any]] = BABI_RUNNER,
    on_progress: Callable[[Event], None] | None = None,
    baseline: Mapping[str, float] | None = None,
    command: Sequence[str] | None = None,
    engine: str | Engine = "local",
    search: Search | None = None,
) -> dict[str, Any]:
    """Does all runs, each in ``folder/<its key>``, and writes ``folder/results.json``.

    Runs that are finished are not repeated, one that was stopped goes on where it was, one that
    failed is tried again. A run that fails, or whose process dies, becomes a row with its error
    (and ``error.txt`` in its folder) and with what it had reached: ``epochs_run``, ``best_epoch`` and
    ``valid_accuracy`` so far; the others go on.

    Where a run needs several machines (``nodes``), the same call is made on each of them, and the first
    one writes the results; see :mod:`liafseq.tasks.nodes`.

    Args:
        runs: each model at most once per task and seed.
        folder: may hold other runs; the results are those of ``runs`` alone.
        jobs: runs at a time; None: as many as the engine has room for.
        runner: ``runner(config, folder, progress=...)``, a function of a module (or its name
            ``module:function``), because the workers import it.
        on_progress: is told what happens, in this process.
        baseline: an accuracy by task to compare with; becomes a part of the results.
        command: the words of a command line that repeats the study; becomes a part of the results.
        engine: where the runs are done: ``"local"``, ``"ray"``, or an engine of
            :func:`liafseq.tasks.engines.engine_of`.
        search: searches settings for each model first, by validation accuracy alone; the runs are
            then done with those.

    Returns:
        The content of results.json: ``settings`` that all runs share, ``versions``, ``runs`` (a
        row each), ``summary`` (a row a model, see :func:`summarise`), ``pairwise`` (a row a pair of
        models, see :func:`liafseq.tasks.statistics.compare_pairs`), ``search`` (of
        :func:`liafseq.tasks.search.settle`, or None), ``fairness`` (lines on what each model was
        allowed), ``command`` and ``time``. All that is
        measured with a clock stands under a key ``time``; the rest is the same every time.

    Raises:
        ValueError: no runs, jobs below 1, or the same model, task and seed twice.
        FolderInUseError: another study is writing into the folder.
        OSError: results.json cannot be written; the one of before stays.
    """
    runs = list(runs)
    _check(runs, jobs)
    folder = Path(folder)
    name = runner if isinstance(runner, str) else f"{runner.__module__}:{runner.__qualname__}"
    if "<" in name or name.startswith("__main__"):
        raise ValueError(f"runner must be a function that a worker can import from a module, got {name}")
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(this_node(max(run.to_json().get("nodes", 1) for run in runs)))
        if node.first:
            stack.enter_context(folder_lock(folder))
            remove_leftovers(folder, "results.json")
        work = Work(folder, name, jobs, engine_of(engine), on_progress or _ignore, node)
        found = None
        if search is not None:
            runs, found = settle(runs, search, work.rows)
        rows = work.rows(runs)
        differ = varying(runs)
        results = {
            "settings": {key: value for key, value in runs[0].to_json().items() if key not in differ},
            "versions": versions(),
            "runs": rows,
            "summary": summarise(rows),
            "pairwise": compare_pairs(rows),
            "baseline": dict(baseline or {}),
            "search": found,
            "fairness": fairness(runs, rows, found),
            "command": None if command is None else list(command),
            "time": {"seconds": round(time.monotonic() - began, 2), "jobs": jobs, "machine": machine()},
        }
        if node.first:
            write_json(folder / "results.json", results)
    return results


def summarise(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a model from the rows of its runs, in the order in which the models appear.

    ``accuracy`` maps a task to ``mean``, ``std`` (sample standard deviation over the seeds; None for
    one seed), ``interval`` (the 95% bootstrap interval of :mod:`liafseq.tasks.statistics`, or None) and
    ``seeds`` (a number each); ``mean_accuracy`` and ``solved`` (number of tasks with at
    most 5% error) are taken over the seeds for which every task of the study is there, and are None
    where there is none. ``parameters`` and ``hidden_size`` are [smallest, largest] over the runs,
    ``cost`` is their mean cost (:func:`liafseq.tasks.costs.summarise_cost`, or None),
    ``time.train_seconds`` the sum over tasks, mean over those seeds.
    """
    rows = list(rows)
    # Numbers in their order, names by alphabet.
    tasks = sorted({task for row in rows for task in row["tasks"]}, key=lambda t: (isinstance(t, str), t))
    summary = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        good = [row for row in own if row["status"] == "finished"]
        by_task: dict[str, dict[int, float]] = {str(task): {} for task in tasks}
        seconds: dict[int, float] = {}
        for row in good:
            for task, accuracy in row["accuracy"].items():
                by_task[task][row["seed"]] = accuracy
            seconds[row["seed"]] = seconds.get(row["seed"], 0.0) + row["time"]["train_seconds"]
        whole = [
            seed
            for seed in dict.fromkeys(row["seed"] for row in good)
            if all(seed in of_task for of_task in by_task.values())
        ]
        solved = [
            sum(round(1 - of_task[seed], 9) <= SOLVED_ERROR for of_task in by_task.values()) for seed in whole
        ]
        means = [statistics.fmean(of_task[seed] for of_task in by_task.values()) for seed in whole]
        summary.append(
            {
                "model": model,
                "runs": len(own),
                "failed": len(own) - len(good),
                "accuracy": {
                    task: _spread(list(of_task.values()), bootstrap_interval([list(of_task.values())]))
                    for task, of_task in by_task.items()
                },
                "mean_accuracy": _spread(means, mean_interval(good, tasks, whole)),
                "solved": statistics.fmean(solved) if solved else None,
                "tasks": len(tasks),
                "hidden_size": _range(row["hidden_size"] for row in good),
                "parameters": _range(row["parameters"] for row in good),
                "cost": summarise_cost(good),
                "time": {
                    "train_seconds": round(statistics.fmean(seconds[seed] for seed in whole), 2)
                    if whole
                    else None
                },
            }
        )
    return summary


def versions() -> dict[str, str]:
    """The versions that a result depends on, without importing the packages."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}
    for package in ("liafseq", "torch", "lightning-fabric", "numpy", "scipy", "datasets"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _ignore(_: Event) -> None:
    pass


def _check(runs: Sequence[RunConfig], jobs: int | None) -> None:
    if not runs:
        raise ValueError("a study needs at least one run, got none")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    seen = set()
    for run in runs:
        for task in run.tasks:
            if (run.model, task, run.seed) in seen:
                raise ValueError(f"model {run.model!r} is there twice for task {task} and seed {run.seed}")
            seen.add((run.model, task, run.seed))


def _spread(values: Sequence[float], interval: list[float] | None) -> dict[str, Any] | None:
    if not values:
        return None
    return {
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "interval": interval,
        "seeds": list(values),
    }


def _range(values: Iterable[int]) -> list[int] | None:
    found = list(values)
    return [min(found), max(found)] if found else None
