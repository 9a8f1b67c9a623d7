"""Timing competitors against each other: alternating rounds, medians, ratios within a round."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from liafseq.tasks.bench.results import Quartiles, Speed

__all__ = ["measure", "quartiles", "ratios", "repeats_for", "speed", "time_rounds"]

Step = Callable[[], object]
K = TypeVar("K")


def quartiles(values: Sequence[float]) -> Quartiles:
    """Median and quartiles.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
    Quartiles(median=3.0, q1=2.0, q3=4.0)
    """
    if len(values) == 1:
        return Quartiles(median=values[0], q1=values[0], q3=values[0])
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Quartiles(median=median, q1=q1, q3=q3)


def ratios(times: Sequence[float], baseline: Sequence[float]) -> Quartiles:
    """How many times as fast as the baseline: of each round the ratio, of the rounds the median.

    What slows a whole round down, such as another process, cancels in its ratio.

    >>> ratios([1.0, 2.0, 1.0], [4.0, 8.0, 5.0])
    Quartiles(median=4.0, q1=4.0, q3=4.5)
    """
    return quartiles([b / t for t, b in zip(times, baseline, strict=True)])


def speed(times: Sequence[float], others: Mapping[str, Sequence[float]]) -> Speed:
    """Seconds of a step, and how many times as fast it is as each of the others."""
    return Speed(
        seconds=quartiles(times),
        times=tuple(times),
        ratios={name: ratios(times, other) for name, other in others.items()},
    )


def measure(step: Step, repeats: int, synchronize: Step) -> float:
    """Seconds of one step, the mean of ``repeats``."""
    synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    synchronize()
    return (time.perf_counter() - start) / repeats


def repeats_for(step: Step, min_time: float, synchronize: Step) -> int:
    """Warms up, and finds how often a step must be repeated to last ``min_time`` seconds."""
    step()
    step()
    repeats = 1
    while True:
        seconds = measure(step, repeats, synchronize)
        if seconds * repeats >= min_time:
            return repeats
        # at most tenfold, because a first short timing may be far off
        wanted = math.ceil(1.1 * min_time / max(seconds, 1e-9))
        repeats = min(max(wanted, repeats + 1), 10 * repeats)


def time_rounds(
    steps: Mapping[K, Step], rounds: int, min_time: float, synchronize: Step
) -> dict[K, list[float]]:
    """Seconds of one step of each competitor, one figure per round.

    Each round times every competitor once; the order rotates, so that none always follows the same.
    """
    names = list(steps)
    times: dict[K, list[float]] = {name: [] for name in names}
    with _no_garbage_collection():
        repeats = {name: repeats_for(step, min_time, synchronize) for name, step in steps.items()}
        for number in range(rounds):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                times[name].append(measure(steps[name], repeats[name], synchronize))
    return times


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """The collector would run in whichever competitor happens to be on."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
