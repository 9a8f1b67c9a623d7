"""How sure a study is: intervals of its accuracies, and which models it tells apart.

**Interval.** The mean accuracy over the tasks of a study is a sum over its strata, the tasks (or, where
one model learns several jointly, those together). The seeds of each stratum are drawn anew, with
replacement, 10,000 times, and the 2.5% and 97.5% points of the resulting means taken (Efron and
Tibshirani 1993, An Introduction to the Bootstrap, chapters 6, 13 and 16). From n seeds alone that is too
narrow: by sqrt((n - 1) / n), because the spread is that around the sample's own mean, and because
2 to 5 seeds know little of their spread. So both distances from the mean are stretched by

    t(df) / z * sqrt(sum s_g^2 / n_g / sum s_g^2 (n_g - 1) / n_g^2)

with Student's and the normal 97.5% points and Satterthwaite's df (Biometrics Bulletin 2, 1946), as in
Hesterberg 2014, arXiv:1411.5279, section 3.2. What varies is the seed of a run; tasks and questions are
fixed.

**Test.** Two models are compared by the differences of their accuracies in the same task with the same
seed, a *pair of runs*. The statistic is the mean over the tasks of the mean difference over the seeds.

Null hypothesis: in each pair of runs the difference is as likely to be d as -d, for every d; the pairs
are independent. This holds where the two models' accuracies have the same distribution on each task.
Under it every choice of signs of the differences is equally likely, and the two-sided p-value is the
share of the 2^n choices whose statistic is at least as far from 0 as the one observed (Fisher 1935, The
Design of Experiments, section 21): all of them up to 20 pairs of runs, 100,000 drawn ones beyond. Where a
model is better on some of the tasks and worse on others, with no difference in the mean, the p-values are
larger than they need be, and false positives rarer. The p-values of all pairs of models are corrected by
Holm's method (Scandinavian Journal of Statistics 6, 1979), so that the chance of one false statement or
more in the whole study is at most 5%.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "ALPHA",
    "LEVEL",
    "bootstrap_interval",
    "compare_pairs",
    "holm",
    "mean_interval",
    "pairs_needed",
    "sign_flip_p",
]

ALPHA = 0.05
"""Largest chance of a false statement in a study."""

LEVEL = 0.95
"""Of the intervals."""

RESAMPLES = 10_000
EXACT = 20
"""Up to so many pairs of runs all choices of signs are looked at."""
DRAWN = 100_000

Row = Mapping[str, Any]


def bootstrap_interval(strata: Sequence[Sequence[float]], *, seed: int = 0) -> list[float] | None:
    """The 95% interval of the sum of the strata's means, an accuracy; see the module.

    Args:
        strata: for each the values of its seeds, already divided by the number of tasks.
        seed: of the resampling.

    Returns:
        [low, high] within [0, 1], rounded to six digits; None where a stratum has one value only, or where no
        value differs from the others of its stratum: then the seeds say nothing of their spread.

    >>> bootstrap_interval([[0.90, 0.92, 0.91, 0.93, 0.91]])
    [0.90133, 0.92667]
    >>> bootstrap_interval([[0.90]])
    """
    if not strata or min(map(len, strata)) < 2:
        return None
    import numpy as np
    from scipy.special import ndtri, stdtrit

    rng = np.random.default_rng(seed)
    mean, deviations, sizes, variances = 0.0, np.zeros(RESAMPLES), [], []
    for stratum in strata:
        values = np.asarray(stratum, dtype=np.float64)
        count = len(values)
        mean += values.mean()
        centred = values - values.mean()
        deviations += centred[rng.integers(0, count, (RESAMPLES, count))].mean(1)
        sizes.append(count)
        variances.append(values.var(ddof=1) / count)
    n, v = np.array(sizes), np.array(variances)
    if v.sum() < 1e-20:
        return None
    tail = (1 - LEVEL) / 2
    df = v.sum() ** 2 / (v**2 / (n - 1)).sum()
    stretch = stdtrit(df, 1 - tail) / ndtri(1 - tail) * math.sqrt(v.sum() / (v * (n - 1) / n).sum())
    ends = mean + stretch * np.quantile(deviations, [tail, 1 - tail])
    return [round(min(1.0, max(0.0, float(end))), 6) for end in ends]


def mean_interval(rows: Iterable[Row], tasks: Sequence[Any], seeds: Iterable[int]) -> list[float] | None:
    """The interval of a model's mean accuracy over ``tasks`` from its finished rows of these seeds.

    Tasks that one run learnt jointly vary together, and are one stratum.
    """
    wanted = set(seeds)
    strata: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if row["seed"] in wanted:
            value = math.fsum(row["accuracy"].values()) / len(tasks)
            strata.setdefault(tuple(row["tasks"]), []).append(value)
    return bootstrap_interval(list(strata.values()))


def sign_flip_p(values: Sequence[float], *, seed: int = 0) -> float:
    """The two-sided p-value of the sum of ``values`` against all choices of their signs.

    Exact up to 20 values that are not 0; beyond, from 100,000 drawn choices and the one observed.

    >>> sign_flip_p([0.2, 0.1, 0.3])
    0.25
    >>> sign_flip_p([])
    1.0
    """
    import numpy as np

    # A difference of 0 has no sign: it doubles the choices and changes no share.
    x = np.array([value for value in values if value != 0], dtype=np.float64)
    # Accuracies are ratios of whole numbers: equal sums may differ in their last bits.
    observed = abs(x.sum()) - 1e-9 * np.abs(x).sum()
    if len(x) <= EXACT:
        sums = np.zeros(1)
        for value in x:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= observed))
    rng, beyond, left = np.random.default_rng(seed), 1, DRAWN
    while left:
        part = min(left, 10_000)
        signs = 2.0 * rng.integers(0, 2, (part, len(x)), dtype=np.int8) - 1
        beyond += int((np.abs(signs @ x) >= observed).sum())
        left -= part
    return beyond / (DRAWN + 1)


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's method, in their order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    found, largest = [0.0] * len(values), 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[at]))
        found[at] = largest
    return found


def pairs_needed(comparisons: int) -> int:
    """The fewest pairs of runs with which one of so many comparisons can come out at all.

    The smallest p-value of n pairs of runs is 2 / 2^n, and Holm's method multiplies it.

    >>> [pairs_needed(models * (models - 1) // 2) for models in (2, 3, 7)]
    [6, 7, 10]
    """
    count = 1
    while comparisons * 2.0 ** (1 - count) > ALPHA:
        count += 1
    return count


def compare_pairs(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Every pair of models compared, from the rows of a study's runs; see the module for the test.

    Returns:
        For each pair, in the order of the models: ``first``, ``second``; ``difference`` of the mean
        accuracies, first minus second, over what both have (None without a common run); ``tasks``
        and ``pairs`` of runs that both have; ``p``, ``p_holm``; and ``verdict`` on the first:
        ``"better"``, ``"worse"``, ``"not told apart"``, or ``"too few runs"`` where no data of that
        size could have told them apart.
    """
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).extend([row] if row["status"] == "finished" else [])
    found = []
    for first, second in itertools.combinations(by_model, 2):
        tasks, values = _differences(by_model[first], by_model[second])
        found.append(
            {
                "first": first,
                "second": second,
                "difference": round(math.fsum(values), 9) if values else None,
                "tasks": tasks,
                "pairs": len(values),
                "p": sign_flip_p(values),
            }
        )
    needed = pairs_needed(len(found))
    for entry, corrected in zip(found, holm([entry["p"] for entry in found]), strict=True):
        entry["p_holm"] = corrected
        if corrected <= ALPHA:
            entry["verdict"] = "better" if entry["difference"] > 0 else "worse"
        else:
            entry["verdict"] = "too few runs" if entry["pairs"] < needed else "not told apart"
    return found


def _differences(first: Sequence[Row], second: Sequence[Row]) -> tuple[int, list[float]]:
    """The number of common tasks, and the share of each pair of runs in the mean difference.

    Tasks that both models learnt in one run each are one pair of runs, because they vary together.
    """
    ours, theirs = _cells(first), _cells(second)
    common = [cell for cell in ours if cell in theirs]
    seeds: dict[Any, int] = {}
    for task, _ in common:
        seeds[task] = seeds.get(task, 0) + 1
    pairs: dict[Any, list[float]] = {}
    for task, seed in common:
        (value, group), (other, other_group) = ours[task, seed], theirs[task, seed]
        unit = (group if group == other_group else None, seed)
        pairs.setdefault(unit, []).append((value - other) / (seeds[task] * len(seeds)))
    # Rounded, so that a difference of accuracies that is 0 or equal to another stays so.
    return len(seeds), [round(math.fsum(parts), 12) for parts in pairs.values()]


def _cells(rows: Sequence[Row]) -> dict[tuple[str, int], tuple[float, tuple[Any, ...]]]:
    return {
        (task, row["seed"]): (accuracy, tuple(row["tasks"]))
        for row in rows
        for task, accuracy in row["accuracy"].items()
    }
