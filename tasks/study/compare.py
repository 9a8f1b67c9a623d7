"""A study: many runs side by side in worker processes, one result."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from liafseq.tasks.config import Config
from liafseq.tasks.execution.engines import Engine, engine_of
from liafseq.tasks.results import (
    RESULTS,
    MetricAbout,
    Run,
    Spread,
    Study,
    StudyTime,
    Summary,
    SummaryTime,
)  # fmt: skip
from liafseq.tasks.storage.files import remove_leftovers
from liafseq.tasks.storage.lock import folder_lock
from liafseq.tasks.study.costs import mean_cost
from liafseq.tasks.study.fairness import fairness
from liafseq.tasks.study.machine import machine
from liafseq.tasks.study.runs import Event, Work, varying
from liafseq.tasks.study.search import Search, settle
from liafseq.tasks.study.statistics import bootstrap_interval, compare_pairs, mean_interval
from liafseq.tasks.task import Metric, Task
from liafseq.tasks.training.folder import OWN

__all__ = ["Event", "check_folder", "run_study", "summarise"]

RUNNER = "liafseq.tasks.training.run:run"


def run_study(
    task: Task[Any, Any],
    configs: Sequence[Config],
    folder: str | os.PathLike[str],
    *,
    jobs: int | None = 1,
    on_progress: Callable[[Event], None] | None = None,
    floor: Mapping[str, float] | None = None,
    command: Sequence[str] | None = None,
    engine: str | Engine = "local",
    search: Search | None = None,
    logger: str | None = None,
    runner: str | Callable[..., Any] = RUNNER,
) -> Study:
    """Does all runs, each in ``folder/<its key>``, and writes ``folder/results.json``.

    Runs that are finished are not repeated, one that was stopped goes on where it was, one that failed is
    tried again. A run that fails, or whose process dies, becomes a result with its error (and ``error.txt``
    in its folder) and with what it had reached; the others go on.

    Args:
        task: what is learnt.
        configs: the runs: each model at most once per part and seed.
        folder: new, empty, or of the same study: its runs may be more or others, but of the same task.
        jobs: runs at a time; None: as many as the engine has room for.
        on_progress: is told what happens, in this process.
        floor: what a constant answer scores, by part.
        command: the words of a command line that repeats the study.
        engine: where the runs are done: ``"local"``, ``"ray"``, or an engine of
            :func:`liafseq.tasks.execution.engines.engine_of`.
        search: searches settings for each model first, by validation alone; the runs are then done with
            those.
        logger: of each run, see :func:`liafseq.tasks.training.run.run`.
        runner: what does a run: ``runner(task, config, folder, progress=..., logger=...)``, a function of a
            module (or its name ``module:function``), because the workers import it.

    Raises:
        ValueError: no runs, jobs below 1, the same model, part and seed twice, or a folder of something else.
        FolderInUseError: another study is writing into the folder.
        OSError: results.json cannot be written; the one of before stays.
    """
    configs = list(configs)
    _check(task, configs, jobs)
    folder = Path(folder)
    name = runner if isinstance(runner, str) else f"{runner.__module__}:{runner.__qualname__}"
    if "<" in name or name.startswith("__main__"):
        raise ValueError(f"runner must be a function that a worker can import from a module, got {name}")
    began = time.monotonic()
    with folder_lock(folder):
        check_folder(folder, task, configs if search is None else None)
        remove_leftovers(folder, RESULTS)
        work = Work(task, folder, jobs, engine_of(engine), on_progress or _ignore, name, logger)
        searched = None
        if search is not None:
            configs, searched = settle(task, configs, search, work.runs)
        runs = work.runs(configs)
        differ = varying(configs)
        parts = {part.name: part.words for config in configs for part in task.parts(config)}
        study = Study(
            task=task.name,
            title=task.title,
            about=task.describe(configs[0]),
            metrics=tuple(
                MetricAbout(name=metric.name, unit=metric.unit, higher_is_better=metric.higher_is_better)
                for metric in task.metrics
            ),
            parts=parts,
            settings={name: value for name, value in configs[0].to_json().items() if name not in differ},
            versions=versions(),
            runs=tuple(runs),
            summary=summarise(runs, task.metrics, tuple(parts)),
            pairwise=compare_pairs(runs, task.metric),
            floor=dict(floor or {}),
            search=searched,
            fairness=fairness(task, configs, runs, searched),
            command=None if command is None else tuple(command),
            time=StudyTime(
                seconds=round(time.monotonic() - began, 2),
                jobs=jobs,
                date=datetime.now(timezone.utc).date().isoformat(),
                machine=machine(),
            ),
        )
        study.write(folder / RESULTS)
    return study


def check_folder(folder: Path, task: Task[Any, Any], configs: Sequence[Config] | None) -> None:
    """Sees that a folder is new, empty or of this very study.

    Args:
        folder: of the study.
        task: of the study.
        configs: its runs; None where a search decides about them.

    Raises:
        ValueError: it holds another study, a run, or somebody's own files.
    """
    if not folder.is_dir():
        return
    advice = "give another --out, or delete it"
    if (folder / "config.json").exists():
        raise ValueError(f"{folder}: holds a run, not a study; {advice}")
    there = folder / RESULTS
    if there.exists():
        try:
            found = Study.read(there)
        except ValueError as error:
            if "not valid JSON" in str(error):
                return  # damaged, and written anew
            raise ValueError(
                f"{folder}: {RESULTS} is not that of a study of this version; {advice}"
            ) from None
        if found.task != task.name:
            raise ValueError(f"{folder}: holds a study of task {found.task!r}, not {task.name!r}; {advice}")
        if configs is not None and found.search is None:
            own = {config.key() for config in configs}
            if not own & {run.key for run in found.runs}:
                raise ValueError(f"{folder}: holds another study ({', '.join(found.models)}); {advice}")
        return
    foreign = sorted(
        path.name
        for path in folder.iterdir()
        if not path.name.startswith(".") and not (path / "config.json").is_file() and not _of_a_run(path)
    )
    if foreign:
        raise ValueError(f"{folder}: holds files that are not of a study ({foreign[0]}); {advice}")


def _of_a_run(path: Path) -> bool:
    """Whether a folder holds nothing but what a run writes."""
    return path.is_dir() and all(inside.name in OWN for inside in path.iterdir())


def summarise(runs: Iterable[Run], metrics: Sequence[Metric], parts: Sequence[str]) -> tuple[Summary, ...]:
    """One summary per model, in the order in which the models appear."""
    runs = list(runs)
    return tuple(
        _summary([run for run in runs if run.model == model], metrics, parts)
        for model in dict.fromkeys(run.model for run in runs)
    )


def _summary(runs: Sequence[Run], metrics: Sequence[Metric], parts: Sequence[str]) -> Summary:
    good = [run for run in runs if run.finished]
    seconds: dict[int, float] = {}
    for run in good:
        seconds[run.seed] = seconds.get(run.seed, 0.0) + run.done.time.train_seconds
    figures = {metric.name: _by_part(good, metric.name, parts) for metric in metrics}
    of_first = figures[metrics[0].name]
    whole = [
        seed for seed in dict.fromkeys(run.seed for run in good) if all(seed in of_first[p] for p in parts)
    ]
    solved = [sum(metrics[0].is_solved(of_first[part][seed]) for part in parts) for seed in whole]
    mean: dict[str, Spread | None] = {}
    for metric in metrics:
        found = figures[metric.name]
        seeds = [seed for seed in whole if all(seed in found[part] for part in parts)]
        values = [statistics.fmean(found[part][seed] for part in parts) for seed in seeds]
        mean[metric.name] = _spread(values, mean_interval(good, metric, parts, seeds))
    return Summary(
        model=runs[0].model,
        name=runs[0].name,
        runs=len(runs),
        failed=len(runs) - len(good),
        parts={
            part: {
                metric.name: _spread(
                    values := list(figures[metric.name][part].values()),
                    bootstrap_interval([values], bounds=metric.bounds),
                )
                for metric in metrics
            }
            for part in parts
        },
        mean=mean,
        solved=statistics.fmean(solved) if solved and metrics[0].solved is not None else None,
        hidden_size=_range(run.hidden_size for run in good),
        parameters=_range(run.done.parameters for run in good),
        cost=mean_cost(good),
        time=SummaryTime(
            train_seconds=round(statistics.fmean(seconds[seed] for seed in whole), 2) if whole else None
        ),
    )


def _by_part(runs: Sequence[Run], metric: str, parts: Sequence[str]) -> dict[str, dict[int, float]]:
    """A metric by part and seed."""
    found: dict[str, dict[int, float]] = {part: {} for part in parts}
    for run in runs:
        for part, score in run.done.test.items():
            if metric in score.metrics:
                found[part][run.seed] = score.metrics[metric]
    return found


def versions() -> dict[str, str]:
    """The versions that a result depends on, without importing the packages."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}
    for package in ("liafseq", "torch", "lightning-fabric", "numpy", "scipy", "datasets"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _ignore(_: Event) -> None:
    pass


def _check(task: Task[Any, Any], configs: Sequence[Config], jobs: int | None) -> None:
    if not configs:
        raise ValueError("a study needs at least one run, got none")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    seen = set()
    for config in configs:
        label = config.model.label
        for part in task.parts(config):
            if (label, part.name, config.seed) in seen:
                raise ValueError(f"model {label!r} is there twice for {part.words} and seed {config.seed}")
            seen.add((label, part.name, config.seed))


def _spread(values: Sequence[float], interval: tuple[float, float] | None) -> Spread | None:
    if not values:
        return None
    return Spread(
        mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else None,
        interval=interval,
        values=tuple(values),
    )


def _range(values: Iterable[int]) -> tuple[int, int] | None:
    found = list(values)
    return (min(found), max(found)) if found else None
