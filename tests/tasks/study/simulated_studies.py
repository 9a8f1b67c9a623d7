"""Studies whose truth is known, to see how often the statistics of a study say what is not so.

    python tests/tasks/study/simulated_studies.py        # the tables of the documentation, some minutes

Accuracies are shares of 1,000 right answers: a level of the task, the model's true difference, what the
seed does to the run, and the chance of the test questions, rounded as a test does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from liafseq.tasks.results import Counts, Outcome, Run, RunTime, Score
from liafseq.tasks.study.ranks import rank_tasks
from liafseq.tasks.study.statistics import bootstrap_interval, compare_pairs
from liafseq.tasks.task import ACCURACY

NOISE = 0.02
"""Standard deviation of a run's accuracy over the seeds, between tasks from a quarter to twice that."""


class Told(NamedTuple):
    """Of ``studies``: in how many at least one pair was told apart, how many pairs, of how many."""

    studies: int
    any_told: int
    told: int
    pairs: int
    wrong_way: int


def simulate_studies(
    kind: str,
    studies: int,
    *,
    models: int = 4,
    tasks: int = 5,
    seeds: int = 3,
    effect: float = 0.0,
    seed: int = 0,
) -> Told:
    """Draws studies and compares their models.

    Args:
        kind: of the truth.
            ``"same"``: all models have the same distribution on each task, normal around a level of
            the task, with a spread of the task.
            ``"interaction"``: each model is better on some tasks and worse on others, with no
            difference in the mean over the tasks.
            ``"shared"``: as same, with an effect of the seed that is the same for all models.
            ``"solved or not"``: each run solves its task (98%) or not (60%), with equal chances for all
            models, and no spread but that on half of the tasks.
            ``"one model fails"``: the first model solves a task or not, the others always have what it
            has in the mean: equal means, unequal distributions, outside the null hypothesis.
            ``"seed of a model"``: as same, with an effect of model and seed that all its tasks share:
            pairs of runs that are not independent, outside the null hypothesis.
        effect: of the first model, added to its accuracy in each task.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    any_told = told = pairs = wrong = 0
    for _ in range(studies):
        accuracy = _draw(kind, rng, models, tasks, seeds)
        accuracy[0] += effect
        accuracy = np.round(np.clip(accuracy, 0, 1), 3)
        found = compare_pairs(_runs(accuracy), ACCURACY)
        if effect:
            found = tuple(entry for entry in found if entry.first == "model 0")
        verdicts = [entry.verdict for entry in found]
        here = sum(verdict in ("better", "worse") for verdict in verdicts)
        wrong += verdicts.count("worse") if effect else 0
        any_told, told, pairs = any_told + bool(here), told + here, pairs + len(found)
    return Told(studies, any_told, told, pairs, wrong)


def simulate_coverage(shape: str, studies: int, *, tasks: int, seeds: int, seed: int = 0) -> float:
    """How often the interval of the mean accuracy over the tasks holds the true one.

    Args:
        shape: of a run's deviation: ``"normal"``, ``"skewed"`` (exponential, to below) or ``"solved or
            not"`` (one run in five is at 40% instead of 80%).
    """
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(studies):
        if shape == "normal":
            values, truth = rng.normal(0.6, NOISE, (tasks, seeds)), 0.6
        elif shape == "skewed":
            values, truth = 0.62 - rng.exponential(NOISE, (tasks, seeds)), 0.6
        else:
            values = np.where(rng.random((tasks, seeds)) < 0.2, 0.4, 0.8)
            values, truth = values + rng.normal(0, 0.01, values.shape), 0.72
        ends = bootstrap_interval([list(task) for task in values / tasks])
        hits += ends is not None and ends[0] - 1e-6 <= truth <= ends[1] + 1e-6
    return hits / studies


def simulate_ranks(
    kind: str,
    studies: int,
    *,
    models: int = 5,
    tasks: int = 8,
    seeds: int = 1,
    effect: float = 0.0,
    seed: int = 0,
) -> Told:
    """Draws studies over several tasks and compares the models' mean ranks.

    Args:
        kind: of the truth, as of :func:`simulate_studies`; a task of the study is one of its tasks.
        effect: of the first model, added to its accuracy in each task; ``told`` and ``pairs`` are then of
            this model alone, ``any_told`` of the others, between which there is no difference.
    """
    rng = np.random.default_rng(seed)
    any_told = told = wrong = 0
    for _ in range(studies):
        accuracy = _draw(kind, rng, models, tasks, seeds)
        accuracy[0] += effect
        means = np.clip(accuracy, 0, 1).mean(2)  # ties are those of the truth
        names = [f"model {model}" for model in range(models)]
        ranks = rank_tasks(
            {str(task): dict(zip(names, means[:, task], strict=True)) for task in range(tasks)}
        )
        others = names[1:] if effect else names
        any_told += any(ranks.apart(a, b) for a, b in combinations(others, 2))
        if effect:
            apart = [model for model in others if ranks.apart(names[0], model)]
            told += len(apart)
            wrong += sum(ranks.mean[names[0]] > ranks.mean[model] for model in apart)
    return Told(studies, any_told, told, studies * (models - 1), wrong)


def _draw(kind: str, rng: np.random.Generator, models: int, tasks: int, seeds: int) -> np.ndarray:
    shape = (models, tasks, seeds)
    if kind in ("solved or not", "one model fails"):
        chance = rng.uniform(0.1, 0.6, (1, tasks, 1))
        if kind == "one model fails":
            failing = np.where(rng.random(shape) < chance, 0.60, 0.98)
            mean = 0.98 - 0.38 * chance
            return np.concatenate([failing[:1], np.broadcast_to(mean, shape)[1:]])
        spread = NOISE * (np.arange(tasks) % 2)[None, :, None]
        return np.where(rng.random(shape) < chance, 0.60, 0.98) + rng.normal(0, 1, shape) * spread
    level = rng.uniform(0.3, 0.9, (1, tasks, 1))
    spread = NOISE * rng.uniform(0.25, 2.0, (1, tasks, 1))
    values = level + rng.normal(0, 1, shape) * spread
    if kind == "interaction":
        shift = rng.normal(0, 2 * NOISE, (models, tasks, 1))
        values += shift - shift.mean(1, keepdims=True)
    elif kind == "shared":
        values += rng.normal(0, 2 * NOISE, (1, 1, seeds)) + rng.normal(0, NOISE, (1, tasks, seeds))
    elif kind == "seed of a model":
        values += rng.normal(0, NOISE, (models, 1, seeds))
    elif kind != "same":
        raise ValueError(f"no such kind: {kind!r}")
    return values


def _runs(accuracy: np.ndarray) -> Iterator[Run]:
    models, tasks, seeds = accuracy.shape
    time, valid = RunTime(train_seconds=0.0), Score(count=1, loss=0.0, metrics={"accuracy": 0.0})
    for model, task, seed in np.ndindex(models, tasks, seeds):
        name, part = f"model {model}", f"task {task}"
        score = Score(count=1000, loss=0.0, metrics={"accuracy": float(accuracy[model, task, seed])})
        # Without checks, which would take most of the time.
        outcome = Outcome.model_construct(
            model=name, seed=seed, parts=(part,), test={part: score}, valid=valid, best_epoch=1, epochs_run=1,
            parameters=0, examples=Counts(train=0, valid=0, test={}), cost=None, facts={}, time=time,
        )  # fmt: skip
        yield Run.model_construct(
            key="", model=name, name=name, parts=(part,), seed=seed, hidden_size=0, settings={},
            outcome=outcome, error=None, reached=None,
        )  # fmt: skip


def _table(header: Sequence[str], rows: Sequence[Sequence[object]], say: Callable[[str], object]) -> None:
    say(f"| {' | '.join(header)} |")
    say(f"|{'---|' * len(header)}")
    for row in rows:
        say(f"| {' | '.join(map(str, row))} |")


def _tables_of_ranks(studies: int, say: Callable[[str], object]) -> None:
    """How often mean ranks tell apart what does not differ, and what does."""
    designs = [(5, 8, 1), (3, 8, 1), (8, 8, 1), (5, 4, 1)]
    names = [f"{models} models, {tasks} tasks x {seeds} seeds" for models, tasks, seeds in designs]
    rows = []
    for kind in ("same", "interaction", "solved or not", "one model fails"):
        found = [
            simulate_ranks(kind, studies, models=models, tasks=tasks, seeds=seeds)
            for models, tasks, seeds in designs
        ]
        rows.append([kind, *(f"{100 * one.any_told / studies:.1f}%" for one in found)])
    better = {
        effect: [
            simulate_ranks("same", studies, models=models, tasks=tasks, seeds=seeds, effect=effect, seed=1)
            for models, tasks, seeds in designs
        ]
        for effect in (0.02, 0.05)
    }
    for effect, found in better.items():
        cells = [f"{100 * one.any_told / studies:.1f}%" for one in found]
        rows.append([f"one is {100 * effect:.0f} points better: of the others", *cells])
    _table(["mean ranks: no difference", *names], rows, say)
    say("")
    rows = [
        [f"{100 * effect:.0f} points better on each task",
         *(f"{100 * one.told / one.pairs:.0f}%" for one in found)]
        for effect, found in better.items()
    ]  # fmt: skip
    _table(["mean ranks: power", *names], rows, say)


def main(studies: int = 1_000, say: Callable[[str], object] = print) -> None:
    """The tables of the documentation."""
    designs = [(2, 5, 3), (4, 5, 3), (7, 5, 3), (2, 1, 10), (4, 2, 5)]
    kinds = ["same", "interaction", "shared", "solved or not", "one model fails", "seed of a model"]
    rows = []
    for kind in kinds:
        rates = []
        for models, tasks, seeds in designs:
            found = simulate_studies(kind, studies, models=models, tasks=tasks, seeds=seeds)
            rates.append(f"{100 * found.any_told / studies:.1f}%")
        rows.append([kind, *rates])
    names = [f"{models} models, {tasks} tasks x {seeds} seeds" for models, tasks, seeds in designs]
    _table(["truth: no difference in the mean", *names], rows, say)
    say("")
    rows = []
    for effect in (0.01, 0.02, 0.03, 0.05):
        rates = []
        for models, tasks, seeds in designs:
            found = simulate_studies(
                "same", studies, models=models, tasks=tasks, seeds=seeds, effect=effect, seed=1
            )
            rates.append(f"{100 * found.told / found.pairs:.0f}%")
        rows.append([f"{100 * effect:.0f} points better on each task", *rates])
    _table(["power", *names], rows, say)
    say("")
    rows = []
    for shape in ("normal", "skewed", "solved or not"):
        cells = [
            f"{100 * simulate_coverage(shape, studies, tasks=tasks, seeds=seeds):.0f}%"
            for tasks in (1, 5)
            for seeds in (2, 3, 5, 10)
        ]
        rows.append([shape, *cells])
    names = [f"{tasks} x {seeds}" for tasks in (1, 5) for seeds in (2, 3, 5, 10)]
    _table(["coverage, tasks x seeds", *names], rows, say)
    say("")
    _tables_of_ranks(studies, say)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
