"""A study: many runs side by side in worker processes, one result."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from liafseq.tasks.files import read_json, write_atomic, write_json
from liafseq.tasks.lock import folder_lock
from liafseq.tasks.workers import run_jobs

__all__ = ["SOLVED_ERROR", "Event", "RunConfig", "compare", "summarise", "versions"]

SOLVED_ERROR = 0.05
"""A task counts as solved with at most this error (Weston et al. 2015)."""

BABI_RUNNER = "liafseq.tasks.babi.adapter:run"


class RunConfig(Protocol):
    """What a study needs of a run's configuration, such as ``liafseq.tasks.babi.config.BabiRun``."""

    model: str
    tasks: tuple[int, ...]
    seed: int
    threads: int

    def key(self) -> str: ...
    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Event:
    """What happened to a run.

    ``kind`` is ``"kept"`` (finished by an earlier command), ``"started"``, ``"progress"``,
    ``"finished"`` or ``"failed"``; ``progress`` holds the fields of the adapter's Progress;
    ``row`` is the run's row of the results, once there is one.
    """

    kind: str
    run: RunConfig
    progress: Mapping[str, Any] | None = None
    row: Mapping[str, Any] | None = None


def compare(
    runs: Sequence[RunConfig],
    folder: str | os.PathLike[str],
    *,
    jobs: int = 1,
    runner: str | Callable[..., dict[str, Any]] = BABI_RUNNER,
    on_progress: Callable[[Event], None] | None = None,
    baseline: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Does all runs, each in ``folder/<its key>``, and writes ``folder/results.json``.

    Runs that are finished are not repeated, one that was stopped goes on where it was, one that
    failed is tried again. A run that fails, or whose process dies, becomes a row with its error
    (and ``error.txt`` in its folder) while the others go on.

    Args:
        runs: each model at most once per task and seed.
        folder: may hold other runs; the results are those of ``runs`` alone.
        jobs: worker processes at a time.
        runner: ``runner(config, folder, progress=...)``, a function of a module (or its name
            ``module:function``), because the workers import it.
        on_progress: is told what happens, in this process.
        baseline: an accuracy by task to compare with; becomes a part of the results.

    Returns:
        The content of results.json: ``settings`` that all runs share, ``versions``, ``runs`` (a
        row each), ``summary`` (a row a model, see :func:`summarise`) and ``time``. All that is
        measured with a clock stands under a key ``time``; the rest is the same every time.

    Raises:
        ValueError: no runs, jobs below 1, or the same model, task and seed twice.
        FolderInUseError: another study is writing into the folder.
    """
    runs = list(runs)
    _check(runs, jobs)
    folder = Path(folder)
    name = runner if isinstance(runner, str) else f"{runner.__module__}:{runner.__qualname__}"
    if "<" in name or name.startswith("__main__"):
        raise ValueError(f"runner must be a function that a worker can import from a module, got {name}")
    tell = on_progress or _ignore
    began = time.monotonic()
    rows: list[dict[str, Any]] = [{} for _ in runs]
    varying = _varying(runs)
    with folder_lock(folder):
        todo = []
        for index, run in enumerate(runs):
            result = _finished(folder / run.key())
            if result is None:
                todo.append(index)
            else:
                rows[index] = _row(run, varying, result)
                tell(Event("kept", run, row=rows[index]))
        work = [
            {
                "runner": name,
                "config_type": f"{type(run).__module__}:{type(run).__qualname__}",
                "config": run.to_json(),
                "folder": str((folder / run.key()).absolute()),
            }
            for run in map(runs.__getitem__, todo)
        ]
        threads = max(run.threads for run in runs)
        # Closed at once on the way out, so that an interrupt leaves no worker behind.
        with contextlib.closing(run_jobs(work, workers=jobs, threads=threads)) as reports:
            for position, message in reports:
                index = todo[position]
                run, kind = runs[index], message["kind"]
                trace = folder / run.key() / "error.txt"
                if kind == "finished":
                    trace.unlink(missing_ok=True)
                    rows[index] = _row(run, varying, message["result"])
                elif kind == "failed":
                    write_atomic(trace, message["traceback"] or message["error"])
                    rows[index] = _row(run, varying, None, message["error"])
                tell(Event(kind, run, message.get("progress"), rows[index] or None))
        results = {
            "settings": {key: value for key, value in runs[0].to_json().items() if key not in varying},
            "versions": versions(),
            "runs": rows,
            "summary": summarise(rows),
            "baseline": dict(baseline or {}),
            "time": {"seconds": round(time.monotonic() - began, 2), "jobs": jobs},
        }
        write_json(folder / "results.json", results)
    return results


def summarise(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a model from the rows of its runs, in the order in which the models appear.

    ``accuracy`` maps a task to ``mean``, ``std`` (sample standard deviation over the seeds; None for
    one seed) and ``seeds`` (a number each); ``mean_accuracy`` and ``solved`` (number of tasks with at
    most 5% error) are taken over the seeds for which every task of the study is there, and are None
    where there is none. ``parameters`` and ``hidden_size`` are [smallest, largest] over the runs,
    ``time.train_seconds`` the sum over tasks, mean over those seeds.
    """
    rows = list(rows)
    tasks = sorted({task for row in rows for task in row["tasks"]})
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
        summary.append(
            {
                "model": model,
                "runs": len(own),
                "failed": len(own) - len(good),
                "accuracy": {task: _spread(list(of_task.values())) for task, of_task in by_task.items()},
                "mean_accuracy": _spread(
                    [statistics.fmean(of_task[seed] for of_task in by_task.values()) for seed in whole]
                ),
                "solved": statistics.fmean(solved) if solved else None,
                "tasks": len(tasks),
                "hidden_size": _range(row["hidden_size"] for row in good),
                "parameters": _range(row["parameters"] for row in good),
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
    for package in ("liafseq", "torch", "lightning-fabric", "numpy", "datasets"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _ignore(_: Event) -> None:
    pass


def _check(runs: Sequence[RunConfig], jobs: int) -> None:
    if not runs:
        raise ValueError("a study needs at least one run, got none")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    seen = set()
    for run in runs:
        for task in run.tasks:
            if (run.model, task, run.seed) in seen:
                raise ValueError(f"model {run.model!r} is there twice for task {task} and seed {run.seed}")
            seen.add((run.model, task, run.seed))


def _varying(runs: Sequence[RunConfig]) -> set[str]:
    """The settings in which the runs differ."""
    first, *others = (run.to_json() for run in runs)
    return {key for key in first for other in others if other[key] != first[key]}


def _finished(folder: Path) -> dict[str, Any] | None:
    """The result of a finished run; a worker starts no sooner than it is needed."""
    try:
        result = read_json(folder / "result.json")
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and "accuracy" in result else None


def _row(
    run: RunConfig, varying: set[str], result: Mapping[str, Any] | None, error: str | None = None
) -> dict[str, Any]:
    config = run.to_json()
    row = {
        "run": run.key(),
        "model": run.model,
        "tasks": list(run.tasks),
        "seed": run.seed,
        "hidden_size": config["hidden_size"],
        "settings": {key: value for key, value in config.items() if key in varying},
        "status": "failed" if result is None else "finished",
    }
    if result is None:
        return {**row, "error": error}
    # The adapter's own names of these stay out; everything else it measured is kept.
    return {**row, **{key: value for key, value in result.items() if key not in ("model", "tasks", "seed")}}


def _spread(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    return {
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "seeds": list(values),
    }


def _range(values: Iterable[int]) -> list[int] | None:
    found = list(values)
    return [min(found), max(found)] if found else None
