"""Intervals, the comparison of pairs of models, and how often they say what is not so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from liafseq.tasks.results import Pair, Run
from liafseq.tasks.study.statistics import (
    bootstrap_interval,
    compare_pairs,
    holm,
    mean_interval,
    pairs_needed,
    sign_flip_p,
)
from liafseq.tasks.task import ACCURACY

from ..made_outcomes import run_of
from .simulated_studies import simulate_coverage, simulate_studies


def rows(**accuracies: list[list[float | None]]) -> list[Run]:
    """Runs of models from their (tasks, seeds) accuracies; None: failed."""
    return [
        run_of(model, seed, {f"task {task}": accuracy})
        for model, by_task in accuracies.items()
        for task, by_seed in enumerate(by_task, 1)
        for seed, accuracy in enumerate(by_seed)
    ]


def pairs_of(runs: list[Run]) -> tuple[Pair, ...]:
    return compare_pairs(runs, ACCURACY)


@pytest.mark.parametrize("count", [2, 5, 9])
def test_the_test_is_scipys_exact_permutation_test(count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1, count)

    def total(x: Any, y: Any, axis: int) -> Any:
        return (x - y).sum(axis)

    exact = stats.permutation_test(
        (values, np.zeros(count)), total, permutation_type="samples", n_resamples=2**count, vectorized=True
    )
    assert sign_flip_p(values) == pytest.approx(float(exact.pvalue))


def test_p_of_equal_differences_counts_ties_in_spite_of_rounding() -> None:
    assert sign_flip_p([0.1, 0.2, 0.3]) == 0.25
    # Of the 8 choices 6 are as far from 0 as 0.1 is: 0.1 + 0.2 - 0.3 is not exactly 0 for a computer.
    assert sign_flip_p([0.1, 0.2, -0.2]) == 1.0
    assert sign_flip_p([0.3, -0.1, -0.2]) == 1.0
    assert sign_flip_p([0.0, 0.0]) == 1.0


def test_zeros_change_nothing() -> None:
    assert sign_flip_p([0.0] * 30 + [0.1] * 6) == sign_flip_p([0.1] * 6) == 2 / 64


def test_many_pairs_are_drawn_and_agree_with_all_of_them() -> None:
    values = np.random.default_rng(0).normal(0.25, 1, 20)
    exact = sign_flip_p(values)
    drawn = sign_flip_p([*values, 1e-9])
    assert 0.05 < exact < 0.9
    assert drawn == pytest.approx(exact, abs=0.006)
    assert drawn != exact
    assert sign_flip_p([1.0] * 60) == pytest.approx(1e-5, rel=0.1)
    assert sign_flip_p([*values, 1e-9]) == drawn


def test_holm() -> None:
    assert holm([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert holm([0.5, 0.01]) == pytest.approx([0.5, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("models", [2, 3, 7])
def test_with_fewer_pairs_than_needed_nothing_can_come_out(models: int) -> None:
    comparisons = models * (models - 1) // 2
    needed = pairs_needed(comparisons)
    best = [holm([sign_flip_p([1.0] * count)] * comparisons)[0] for count in (needed - 1, needed)]
    assert best[0] > 0.05 >= best[1]


def test_verdicts() -> None:
    better = [[0.9, 0.91, 0.92]] * 3
    worse = [[0.8, 0.82, 0.83]] * 3
    other = [[0.9, 0.92, 0.91]] * 3
    found = pairs_of(rows(a=better, b=worse, c=other))
    assert [(f.first, f.second, f.verdict) for f in found] == [
        ("a", "b", "better"), ("a", "c", "not told apart"), ("b", "c", "worse"),
    ]  # fmt: skip
    assert found[0].difference == pytest.approx(0.28 / 3)
    assert (found[0].parts, found[0].pairs) == (3, 9)
    assert found[0].p == 2 / 2**9
    assert found[0].p_holm == 3 * found[0].p


def test_too_few_runs_are_called_that_however_large_the_difference() -> None:
    (found,) = pairs_of(rows(a=[[1.0], [1.0], [1.0]], b=[[0.0], [0.0], [0.0]]))
    assert (found.verdict, found.pairs, found.p) == ("too few runs", 3, 0.25)
    (none,) = pairs_of(rows(a=[[1.0]], b=[[None]]))
    assert (none.verdict, none.difference, none.pairs, none.p) == ("too few runs", None, 0, 1.0)


def test_each_task_counts_alike_when_runs_are_missing() -> None:
    (found,) = pairs_of(rows(a=[[0.9, 0.9, 0.9], [0.5, None, None]], b=[[0.8, 0.8, 0.8], [0.8, 0.8, 0.8]]))
    assert found.difference == pytest.approx((0.1 - 0.3) / 2)
    assert found.pairs == 4


def test_tasks_learnt_jointly_are_one_pair_of_runs() -> None:
    joint = [
        run_of(model, seed, {"task 1": accuracy, "task 2": accuracy - 0.1})
        for model, accuracy in (("a", 0.9), ("b", 0.8))
        for seed in range(4)
    ]
    (found,) = pairs_of(joint)
    assert (found.pairs, found.parts, found.difference) == (4, 2, pytest.approx(0.1))
    apart = [*rows(a=[[0.9] * 4, [0.8] * 4]), *(run for run in joint if run.model == "b")]
    (mixed,) = pairs_of(apart)
    assert mixed.pairs == 4
    values = [0.91, 0.95, 0.93]
    runs = [run_of("a", seed, {"task 1": value, "task 2": value}) for seed, value in enumerate(values)]
    found_interval = mean_interval(runs, ACCURACY, ["task 1", "task 2"], range(3))
    assert found_interval == bootstrap_interval([values])


def test_interval_is_about_students_for_normal_values() -> None:
    values = np.random.default_rng(3).normal(0.5, 0.02, 30)
    low, high = stats.t.interval(0.95, 29, values.mean(), stats.sem(values))
    assert bootstrap_interval([values.tolist()]) == pytest.approx([low, high], abs=0.001)


def test_interval_without_spread_or_with_one_seed_is_none() -> None:
    assert bootstrap_interval([]) is None
    assert bootstrap_interval([[0.5]]) is None
    assert bootstrap_interval([[0.5, 0.6], [0.5]]) is None
    assert bootstrap_interval([[0.547, 0.547, 0.547]]) is None
    assert bootstrap_interval([[0.3, 0.5], [0.5, 0.5]]) is not None


def test_interval_stays_a_share_and_is_the_same_every_time() -> None:
    found = bootstrap_interval([[0.0, 1.0]])
    assert found == (0.0, 1.0)
    values = [[0.9, 0.95, 0.91], [0.3, 0.35, 0.31]]
    halves = [[v / 2 for v in task] for task in values]
    assert bootstrap_interval(halves) == bootstrap_interval(halves)
    low, high = bootstrap_interval(halves) or (0, 0)
    assert low < 0.62 < high


@pytest.mark.parametrize(("tasks", "seeds"), [(1, 3), (1, 5), (5, 3), (5, 5)])
def test_coverage_of_the_interval(tasks: int, seeds: int) -> None:
    """Wide enough for 3 seeds already; a plain percentile bootstrap has 76% and 85% there."""
    assert simulate_coverage("normal", 200, tasks=tasks, seeds=seeds) >= 0.91


@pytest.mark.parametrize("kind", ["same", "interaction", "shared", "solved or not"])
def test_false_positives(kind: str) -> None:
    """At most 5% of the studies; 300 of them, so that 8% is three standard errors above."""
    found = simulate_studies(kind, 300, models=4)
    assert found.any_told / found.studies <= 0.05 + 3 * (0.05 * 0.95 / found.studies) ** 0.5


def test_power() -> None:
    """A model that is 3 points better, at a spread of 2 points, 5 tasks and 3 seeds."""
    found = simulate_studies("same", 200, models=2, effect=0.03, seed=1)
    assert found.told / found.pairs >= 0.75
    assert found.wrong_way == 0
