"""The pictures of a report: which panels a study has, and each in words."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from liafseq.tasks.report.drawing import (
    draw_costs,
    draw_curves,
    draw_scores,
    draw_times,
    limits_of,
    shifts_of,
)  # fmt: skip
from liafseq.tasks.report.style import Panel, looks
from liafseq.tasks.report.words import duration, listed, number
from liafseq.tasks.results import Run, Spread, Study
from liafseq.tasks.task import Metric
from liafseq.tasks.training.log import METRICS, read_log

__all__ = [
    "FLOOR", "INTERVAL", "SEEDS", "SHIFTED", "Curves", "cost_panels", "curve_panels", "curves_of", "pareto",
    "score_panels", "time_panel",
]  # fmt: skip

Curves = dict[tuple[str, ...], dict[str, list[list[float]]]]
"""Values by epoch: of each group of parts that a run learns, of each model, of each run."""

SEEDS, INTERVAL, FLOOR, SHIFTED = "seeds", "interval", "floor", "shifted"
"""What a panel may show besides the models."""


def score_panels(study: Study, metric: Metric) -> list[Panel]:
    """The test scores of every model: a panel per part, before them one of the mean over several."""
    floor = study.floor
    shown: list[tuple[str, list[Spread | None], float | None]] = [
        (words, [entry.parts[part][metric.name] for entry in study.summary], floor.get(part))
        for part, words in study.parts.items()
    ]
    if len(study.parts) > 1:
        base = statistics.fmean(floor.values()) if set(floor) == set(study.parts) else None
        means = [entry.figure(metric.name) for entry in study.summary]
        shown.insert(0, (f"mean of {len(study.parts)} parts", means, base))
    if not any(spread for _, spreads, _ in shown for spread in spreads):
        return []
    return [_score_panel(study, metric, *one) for one in shown]


def _score_panel(
    study: Study, metric: Metric, name: str, spreads: list[Spread | None], floor: float | None
) -> Panel:
    limits = limits_of([v for s in spreads if s for v in (*s.values, *(s.interval or ()))], metric)
    base = None if floor is None else metric.scale * floor
    base = base if base is not None and limits[0] <= base <= limits[1] else None
    spoken = listed(
        f"{model} {metric.text(spread.mean, unit=True)}" if spread else f"{model} failed"
        for model, spread in zip(study.models, spreads, strict=True)
    )
    shows = {INTERVAL} if any(s and s.interval for s in spreads) else set()
    shows |= {SEEDS} if any(s and len(s.values) > 1 for s in spreads) else set()
    shows |= {FLOOR} if base is not None else set()
    draw = partial(
        draw_scores, title=name, metric=metric, spreads=dict(zip(study.models, spreads, strict=True)),
        marks=looks(study), limits=limits, base=base,
    )  # fmt: skip
    height = 0.75 + 0.23 * len(spreads)
    return Panel(draw, f"{name}: test {metric.words} of {spoken}", height=height, shows=frozenset(shows))


def curves_of(study: Study, folder: Path, metric: Metric) -> tuple[Curves, list[str]]:
    """The validation curves of the finished runs, and what is wrong with the files that are damaged."""
    found: Curves = {}
    unread = []
    for run in study.runs:
        path = folder / run.key / METRICS
        if not run.finished or not path.is_file():
            continue
        try:
            curve = [epoch.valid[metric.name] for epoch in read_log(path)]
        except (OSError, ValueError, KeyError) as error:
            unread.append(f"{path}: no {metric.name}" if isinstance(error, KeyError) else str(error))
            continue
        if curve:
            found.setdefault(run.parts, {}).setdefault(run.model, []).append(curve)
    return found, unread


def curve_panels(study: Study, curves: Curves, metric: Metric) -> list[Panel]:
    """The validation scores by epoch: a panel per part, or group of parts learnt jointly."""
    runs = [run for own in curves.values() for runs in own.values() for run in runs]
    limits = limits_of([value for run in runs for value in run], metric)  # one scale for all panels
    order, panels = list(study.parts), []
    for parts in sorted(curves, key=lambda parts: (len(parts), [order.index(part) for part in parts])):
        own = {model: curves[parts][model] for model in study.models if model in curves[parts]}
        name = study.parts[parts[0]] if len(parts) == 1 else f"{len(parts)} parts jointly"
        ends = {model: statistics.fmean(run[-1] for run in runs) for model, runs in own.items()}
        spoken = listed(f"{model} {metric.text(end, unit=True)}" for model, end in ends.items())
        draw = partial(draw_curves, title=name, metric=metric, curves=own, marks=looks(study), limits=limits)
        alt = f"{name}: validation {metric.words} by epoch; at the end {spoken}"
        panels.append(Panel(draw, alt, height=2.6, models=tuple(own)))
    return panels


def cost_panels(study: Study, metric: Metric) -> list[Panel]:
    """The mean score against parameters, and against energy where it is known; none for one model."""
    axes: tuple[tuple[str, Callable[[Run], float | None]], ...] = (
        ("parameters", lambda run: run.done.parameters),
        ("energy per sample (nJ)", lambda run: None if run.done.cost is None else run.done.cost.energy_nj),
    )
    panels = []
    for name, read in axes:
        points: dict[str, tuple[float, Spread]] = {}
        for entry in study.summary:
            values = [value for run in study.of(entry.model) if (value := read(run))]
            spread = entry.figure(metric.name)
            if spread and values and len(values) == len(study.of(entry.model)):
                points[entry.model] = (statistics.fmean(values), spread)
        if len(points) < 2:
            continue
        front = pareto({model: (x, metric.better(spread.mean)) for model, (x, spread) in points.items()})
        spoken = listed(
            f"{model} {number(x)} and {metric.text(spread.mean, unit=True)}"
            for model, (x, spread) in points.items()
        )
        alt = f"Mean {metric.words} against {name}: {spoken}. On the Pareto front: {listed(front)}."
        shows = {INTERVAL} if any(spread.interval for _, spread in points.values()) else set()
        at = {model: (x, metric.scale * spread.mean) for model, (x, spread) in points.items()}
        shows |= {SHIFTED} if any(shifts_of(at).values()) else set()
        draw = partial(draw_costs, name=name, metric=metric, points=points, front=front, marks=looks(study))
        panels.append(Panel(draw, alt, 4.6, 3.3, frozenset(shows), tuple(points)))
    return panels


def pareto(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Those of (cost, score) that no other beats in one and equals or beats in the other, by cost.

    >>> pareto({"a": (1, 0.5), "b": (2, 0.7), "c": (3, 0.6), "d": (3, 0.9)})
    ['a', 'b', 'd']
    """
    front = [
        name
        for name, (cost, score) in points.items()
        if not any(
            other_cost <= cost and other >= score and (other_cost, other) != (cost, score)
            for other_cost, other in points.values()
        )
    ]
    return sorted(front, key=lambda name: points[name])


def time_panel(study: Study) -> Panel | None:
    """The training time of the models; None for one or none."""
    times = {entry.model: entry.time.train_seconds for entry in study.summary if entry.time.train_seconds}
    if len(times) < 2:
        return None
    spoken = listed(f"{model} {duration(seconds)}" for model, seconds in times.items())
    draw = partial(draw_times, times=times, marks=looks(study))
    return Panel(draw, f"Training time: {spoken}", 5.2, 0.75 + 0.25 * len(times))
