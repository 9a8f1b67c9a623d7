"""How sure a study is: intervals of its figures, and which models it tells apart.

The figures are those of the first metric of the task.

**Interval.** The mean over the parts of a study is a sum over its strata, the parts (or, where one run
learns several jointly, those together). The seeds of each stratum are drawn anew, with
replacement, 10,000 times, and the 2.5% and 97.5% points of the resulting means taken (Efron and
Tibshirani 1993, An Introduction to the Bootstrap, chapters 6, 13 and 16). From n seeds alone that is too
narrow: by sqrt((n - 1) / n), because the spread is that around the sample's own mean, and because
2 to 5 seeds know little of their spread. So both distances from the mean are stretched by

    t(df) / z * sqrt(sum s_g^2 / n_g / sum s_g^2 (n_g - 1) / n_g^2)

with Student's and the normal 97.5% points and Satterthwaite's df (Biometrics Bulletin 2, 1946), as in
Hesterberg 2014, arXiv:1411.5279, section 3.2. What varies is the seed of a run; parts and examples are
fixed.

**Test.** Two models are compared by the differences of their figures on the same part with the same
seed, a *pair of runs*. The statistic is the mean over the parts of the mean difference over the seeds.

Null hypothesis: in each pair of runs the difference is as likely to be d as -d, for every d; the pairs
are independent. This holds where the two models' figures have the same distribution on each part.
Under it every choice of signs of the differences is equally likely, and the two-sided p-value is the
share of the 2^n choices whose statistic is at least as far from 0 as the one observed (Fisher 1935, The
Design of Experiments, section 21): all of them up to 20 pairs of runs, 100,000 drawn ones beyond. Where a
model is better on some of the parts and worse on others, with no difference in the mean, the p-values are
larger than they need be, and false positives rarer. The p-values of all pairs of models are corrected by
Holm's method (Scandinavian Journal of Statistics 6, 1979), so that the chance of one false statement or
more in the whole study is at most 5%.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from liafseq.tasks.results import Pair, Run, Verdict
from liafseq.tasks.task import Metric

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


def bootstrap_interval(
    strata: Sequence[Sequence[float]], *, bounds: tuple[float, float] = (0.0, 1.0), seed: int = 0
) -> tuple[float, float] | None:
    """The 95% interval of the sum of the strata's means; see the module.

    Args:
        strata: for each the values of its seeds, already divided by the number of parts.
        bounds: of the figure; by default those of an accuracy.
        seed: of the resampling.

    Returns:
        (low, high) within the bounds, rounded to six digits; None where a stratum has one value only, or
        where no value differs from the others of its stratum: then the seeds say nothing of their spread.

    >>> bootstrap_interval([[0.90, 0.92, 0.91, 0.93, 0.91]])
    (0.90133, 0.92667)
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
    low, high = (round(min(bounds[1], max(bounds[0], float(end))), 6) for end in ends)
    return low, high


def mean_interval(
    runs: Iterable[Run], metric: Metric, parts: Sequence[str], seeds: Iterable[int]
) -> tuple[float, float] | None:
    """The interval of a model's mean over ``parts`` from its finished runs of these seeds.

    Parts that one run learnt jointly vary together, and are one stratum.
    """
    wanted = set(seeds)
    strata: dict[tuple[str, ...], list[float]] = {}
    for run in runs:
        if run.seed in wanted and run.outcome is not None:
            values = [score.metrics[metric.name] for score in run.outcome.test.values()]
            strata.setdefault(run.parts, []).append(math.fsum(values) / len(parts))
    return bootstrap_interval(list(strata.values()), bounds=metric.bounds)


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


def compare_pairs(runs: Iterable[Run], metric: Metric) -> tuple[Pair, ...]:
    """Every pair of models compared, from a study's runs; see the module for the test.

    Returns:
        In the order of the models: the ``difference`` of the means, first minus second, over what both have
        (None without a common run), its p-value, raw and corrected, and the verdict on the first. It is
        ``"too few runs"`` where no data of that size could have told the two apart.
    """
    by_model: dict[str, list[Run]] = {}
    for run in runs:
        by_model.setdefault(run.model, []).extend([run] if run.finished else [])
    found: list[tuple[str, str, int, list[float]]] = []
    for first, second in itertools.combinations(by_model, 2):
        found.append((first, second, *_differences(by_model[first], by_model[second], metric)))
    raw = [sign_flip_p(values) for *_, values in found]
    needed = pairs_needed(len(found))
    pairs = []
    for (first, second, parts, values), p, corrected in zip(found, raw, holm(raw), strict=True):
        difference = round(math.fsum(values), 9) if values else None
        verdict: Verdict = "too few runs" if len(values) < needed else "not told apart"
        if corrected <= ALPHA and difference is not None:
            verdict = "better" if metric.better(difference) > 0 else "worse"
        pairs.append(
            Pair(
                first=first,
                second=second,
                difference=difference,
                parts=parts,
                pairs=len(values),
                p=p,
                p_holm=corrected,
                verdict=verdict,
            )
        )
    return tuple(pairs)


def _differences(first: Sequence[Run], second: Sequence[Run], metric: Metric) -> tuple[int, list[float]]:
    """The number of common parts, and the share of each pair of runs in the mean difference.

    Parts that both models learnt in one run each are one pair of runs, because they vary together.
    """
    ours, theirs = _cells(first, metric), _cells(second, metric)
    common = [cell for cell in ours if cell in theirs]
    seeds: dict[str, int] = {}
    for part, _ in common:
        seeds[part] = seeds.get(part, 0) + 1
    pairs: dict[Any, list[float]] = {}
    for part, seed in common:
        (value, group), (other, other_group) = ours[part, seed], theirs[part, seed]
        unit = (group if group == other_group else None, seed)
        pairs.setdefault(unit, []).append((value - other) / (seeds[part] * len(seeds)))
    # Rounded, so that a difference of figures that is 0 or equal to another stays so.
    return len(seeds), [round(math.fsum(parts), 12) for parts in pairs.values()]


def _cells(runs: Sequence[Run], metric: Metric) -> dict[tuple[str, int], tuple[float, tuple[str, ...]]]:
    return {
        (part, run.seed): (score.metrics[metric.name], run.parts)
        for run in runs
        for part, score in run.done.test.items()
    }
