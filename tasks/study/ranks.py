"""Which models a suite of tasks tells apart: mean ranks and their critical difference.

On each task the models are ranked by their mean figure, 1 for the best; equal ones share the mean of their
ranks. Tasks are the sample: what varies is the task, not the seed, so that the result speaks of other tasks
of this kind. A task on which a model has no figure is left out.

Null hypothesis: on each task the ranks are as likely to be any permutation of themselves, and the tasks are
independent. This holds where the models' figures have the same distribution on each task. Under it the
ranks of every task are permuted, 100,000 times (drawn), and two statistics looked at:

**Do the models differ at all.** The sum of squares of the rank sums, which is Friedman's statistic
(Journal of the American Statistical Association 32, 1937) but for constants; ties need no correction.

**Which.** The largest difference of two mean ranks, of which the *critical difference* is the least value
that at most 5% of the permutations reach: two models that far apart are told apart (Nemenyi 1963;
Hollander, Wolfe and Chicken 2014, Nonparametric Statistical Methods, section 7.3; its use for comparisons on
many data sets and the diagram: Demsar 2006, Journal of Machine Learning Research 7:1-30). The largest
difference is tested, so that nothing is to be corrected for the number of pairs. Demsar's formula is its
limit for many tasks without ties: from six tasks on they hardly differ, with two his is beyond reach.

Benavoli, Corani and Mangili (2016, Journal of Machine Learning Research 17:5) object that whether two models
are told apart depends on the others of the study, and advise Wilcoxon's signed-rank test of each pair with
Holm's correction. With few tasks that test cannot answer: of n tasks its least p-value is 2 / 2^n, so that
five models need nine tasks (:func:`liafseq.tasks.study.statistics.pairs_needed`) before any pair could be
told apart. So mean ranks are compared, and a verdict is on the models of this suite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from liafseq.tasks.study.statistics import ALPHA, DRAWN
from liafseq.tasks.suite_results import Ranks

__all__ = ["critical_difference", "rank_tasks"]

_PART = 10_000
"""So many permutations at a time."""


def rank_tasks(scores: Mapping[str, Mapping[str, float | None]]) -> Ranks:
    """The mean ranks of models over tasks, and what they tell; see the module.

    Args:
        scores: by task, then model, such that more is better; None: the model has no figure. The tasks have
            the same models.

    >>> found = rank_tasks({"a": {"x": 0.9, "y": 0.8, "z": 0.8}, "b": {"x": 0.7, "y": 0.6, "z": None}})
    >>> found.tasks, found.mean, found.left_out
    (('a',), {'x': 1.0, 'y': 2.5, 'z': 2.5}, {'b': ('z',)})
    """
    from scipy.stats import rankdata

    models = list(next(iter(scores.values())))
    left_out = {
        task: tuple(model for model in models if own[model] is None)
        for task, own in scores.items()
        if any(own[model] is None for model in models)
    }
    tasks = [task for task in scores if task not in left_out]
    # Rounded, so that figures that are equal but for their last bits are.
    rows = [rankdata([-round(float(scores[task][model] or 0), 9) for model in models]) for task in tasks]
    columns: list[tuple[float, ...]] = [tuple(float(row[at]) for row in rows) for at in range(len(models))]
    sums = [sum(column) for column in columns]
    ranked = bool(tasks) and len(models) > 1
    return Ranks(
        tasks=tuple(tasks),
        left_out=left_out,
        by_task=dict(zip(models, columns, strict=True)),
        mean={model: total / len(tasks) for model, total in zip(models, sums, strict=True)} if tasks else {},
        p=_share(rows, sums) if ranked else None,
        critical=critical_difference(rows) if ranked else None,
    )


def critical_difference(ranks: Sequence[Sequence[float]]) -> float | None:
    """The least difference of two mean ranks that at most 5% of the permutations reach.

    Args:
        ranks: of each task, in any order.

    Returns:
        None where none is reached so seldom: with so few tasks no two models can be told apart.

    >>> critical_difference([(1, 2, 3, 4, 5)] * 8), critical_difference([(1, 2, 3)] * 2)
    (2.25, None)
    """
    ranges = _permuted(_key(ranks))[0]
    beyond = [value for value, count in ranges.items() if _p(count) <= ALPHA]
    return min(beyond) / len(ranks) if beyond else None


def _share(ranks: Sequence[Sequence[float]], sums: Sequence[float]) -> float:
    """The p-value of Friedman's statistic."""
    squares = _permuted(_key(ranks))[1]
    observed = sum(value * value for value in sums)
    return _p(max((count for value, count in squares.items() if value >= observed - 1e-6), default=0))


def _p(beyond: int) -> float:
    """The share of the permutations that reach a value, the observed one among them."""
    return (1 + beyond) / (DRAWN + 1)


def _key(ranks: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """What decides about the permutations: the order of tasks and models does not."""
    return tuple(sorted(tuple(sorted(map(float, row))) for row in ranks))


@lru_cache(maxsize=256)
def _permuted(ranks: tuple[tuple[float, ...], ...]) -> tuple[dict[float, int], dict[float, int]]:
    """By value, how many permutations reach it: the range of the rank sums, and the sum of their squares."""
    import numpy as np

    rng = np.random.default_rng(0)
    ranges, squares = np.empty(DRAWN), np.empty(DRAWN)
    for start in range(0, DRAWN, _PART):
        sums = np.zeros((_PART, len(ranks[0])))
        for row in ranks:
            sums += rng.permuted(np.broadcast_to(row, sums.shape), axis=1)
        ranges[start : start + _PART] = np.ptp(sums, axis=1)
        squares[start : start + _PART] = (sums**2).sum(1)
    return _reached(ranges), _reached(squares)


def _reached(values: Any) -> dict[float, int]:
    import numpy as np

    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts[::-1].cumsum()[::-1].tolist(), strict=True))
