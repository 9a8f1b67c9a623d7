"""Results of studies that were never run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from liafseq.tasks import task as tasks
from liafseq.tasks.report.write import write_html
from liafseq.tasks.results import (
    RESULTS,
    Cost,
    Counts,
    Fairness,
    Machine,
    MetricAbout,
    Outcome,
    Run,
    RunTime,
    Score,
    Study,
    StudyTime,
)  # fmt: skip
from liafseq.tasks.study.compare import summarise
from liafseq.tasks.study.statistics import compare_pairs
from liafseq.tasks.task import Metric

LEVELS = {"liaf": 0.90, "lif": 0.80, "gru": 0.91}
HOSTILE = 'ValueError: <script>alert("x")</script> & a | b `c` *d*'
TITLES = {"task 1": "task 1: single supporting fact", "task 6": "task 6: yes no questions"}


def cost(model: str = "liaf", **changes: Any) -> Cost:
    energy = {"liaf": 4_000.0, "lif": 900.0}.get(model, 13_000.0)
    values = {
        "samples": 64, "parameters": 20_000, "weights": 19_000, "dense_macs": 9e5, "macs": 8e5, "acs": 1e5,
        "neuron_ops": 5.0, "energy_nj": energy, "dense_energy_nj": 2 * energy,
        "crossing_rate": 0.2 if "l" in model[:1] else None, "firing_rate": 0.2 if model == "lif" else None,
        "energy_model": {"mac_pj": 4.6, "ac_pj": 0.9}, "uncounted": [],
    }  # fmt: skip
    return Cost(**{**values, **changes})


def finished(
    model: str,
    parts: Sequence[str] | str,
    seed: int,
    values: Sequence[float] | float,
    *,
    metrics: Sequence[str] = ("accuracy",),
    seconds: float = 40.0,
    parameters: int = 29_000,
    examples: tuple[int, int, int] = (900, 100, 1_000),
    costs: Cost | None = None,
    **more: Any,
) -> Run:
    """A run that has finished, with a value of each metric for each of its parts."""
    parts = (parts,) if isinstance(parts, str) else tuple(parts)
    values = (values,) * len(parts) if isinstance(values, float) else values
    test = {
        part: Score(count=examples[2], loss=1.0, metrics=dict.fromkeys(metrics, value))
        for part, value in zip(parts, values, strict=True)
    }
    outcome = Outcome(
        model=model, seed=seed, parts=parts, test=test, valid=next(iter(test.values())), best_epoch=1,
        epochs_run=1, parameters=parameters, cost=costs, facts={},
        examples=Counts(train=examples[0], valid=examples[1], test=dict.fromkeys(parts, examples[2])),
        time=RunTime(train_seconds=seconds, first_step_seconds=30.0),
    )  # fmt: skip
    return failed(model, parts, seed, outcome=outcome, error=None, **more)


def failed(
    model: str, parts: Sequence[str] | str, seed: int, error: str | None = HOSTILE, **more: Any
) -> Run:
    parts = (parts,) if isinstance(parts, str) else tuple(parts)
    words = "-".join([model, *parts, str(seed)])
    values = {
        "key": "".join(letter if letter.isalnum() else "-" for letter in words), "model": model,
        "name": model.split(":")[0],
        "parts": parts, "seed": seed, "hidden_size": 64, "settings": {"seed": seed}, "error": error,
    }  # fmt: skip
    return Run(**{**values, **more})


def study_of(
    runs: Sequence[Run], *, task: str = "babi", parts: Sequence[str] | None = None, **more: Any
) -> Study:
    """A study of these runs; other fields of it by name."""
    found = tasks.find(task)
    names = tuple(dict.fromkeys(part for run in runs for part in run.parts)) if parts is None else parts
    values = {
        "task": task,
        "title": found.title,
        "about": "generated bAbI questions",
        "metrics": tuple(about(metric) for metric in found.metrics),
        "parts": {name: TITLES.get(name, name) for name in names},
        "settings": {"epochs": 10, "batch_size": 64, "learning_rate": 0.003, "hidden_size": 64,
                     "data_seed": 0},
        "versions": {"python": "3.11.7", "liafseq": "0.1.0"},
        "runs": tuple(runs),
        "summary": summarise(runs, found.metrics, tuple(names)),
        "pairwise": compare_pairs(runs, found.metric),
        "floor": {},
        "search": None,
        "fairness": Fairness(budget="Every model reads the same.", size=None, search=()),
        "command": None,
        "time": StudyTime(
            seconds=100.0, jobs=2, date="2025-11-20",
            machine=Machine(processor="a processor", cores=2, memory_gib=8.0, system="Linux", gpus=()),
        ),
    }  # fmt: skip
    return Study(**{**values, **more})


def about(metric: Metric) -> MetricAbout:
    return MetricAbout(name=metric.name, unit=metric.unit, higher_is_better=metric.higher_is_better)


def made_up(
    parts: Sequence[str] = ("task 1", "task 6", "task 12"),
    *,
    seeds: int = 3,
    costs: bool = True,
    one_failed: bool = False,
    **more: Any,
) -> Study:
    """A study of liaf, lif and gru."""
    runs = []
    metrics = [metric.name for metric in tasks.find(more.get("task", "babi")).metrics]
    for seed in range(seeds):
        for at, part in enumerate(parts):
            for model, level in LEVELS.items():
                value = round(level - 0.1 * at + 0.004 * ((seed * 7 + at * 3 + len(model)) % 5), 3)
                run = finished(
                    model, part, seed, value, metrics=metrics, seconds=10.0 + seed,
                    parameters=20_000 + 38_000 * (model == "gru") + at, costs=cost(model) if costs else None,
                )  # fmt: skip
                runs.append(run)
    if one_failed:
        runs[-1] = failed("gru", parts[-1], seeds - 1)
    return study_of(runs, **{"floor": dict.fromkeys(parts, 0.2), **more})


def write_study(folder: Path, study: Study, epochs: int = 3) -> Path:
    """A study's folder: results.json, and metrics.jsonl of each run."""
    folder.mkdir(parents=True, exist_ok=True)
    study.write(folder / RESULTS)
    for run in study.runs:
        value = 0.5 if run.outcome is None else run.outcome.mean(study.metrics[0].name) or 0.0
        write_log(folder / run.key, [value * n / epochs for n in range(1, epochs + 1)], study.metrics[0].name)
    return folder


def write_log(folder: Path, values: Sequence[float], metric: str = "accuracy") -> Path:
    """The metrics.jsonl of a run with these validation scores."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {
            "epoch": n,
            "loss": 1.0,
            "valid_loss": 1.0,
            "valid": {metric: value},
            "learning_rate": 0.1,
            "seconds": 1.0,
        }
        for n, value in enumerate(values, 1)
    ]
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_made_up(tmp_path: Path, study: Study) -> list[Path]:
    """The report on a study that was never run."""
    folder = write_study(tmp_path / "study", study)
    return write_html(study, folder, folder / "report.html")
