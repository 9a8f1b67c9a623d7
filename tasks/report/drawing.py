"""What is drawn on the axis of a panel: scores, learning curves, costs, times."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liafseq.tasks.report.style import GREY, TEXT, Look, plain_ticks
from liafseq.tasks.report.words import duration
from liafseq.tasks.results import Spread
from liafseq.tasks.task import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_costs", "draw_curves", "draw_scores", "draw_times", "limits_of", "shifts_of"]

Points = Mapping[str, tuple[float, Spread]]
"""Cost and score of each model."""


def draw_scores(
    axis: Axes,
    title: str,
    metric: Metric,
    spreads: Mapping[str, Spread | None],
    marks: Mapping[str, Look],
    limits: tuple[float, float],
    base: float | None,
) -> None:
    axis.set_title(textwrap.fill(title, 40), fontsize=9.5, loc="left")
    axis.set_xlim(*limits)
    _named_rows(axis, spreads)
    axis.set_xlabel(f"test {metric.words}{_unit(metric)}")
    if base is not None:
        axis.axvline(base, color=GREY, linestyle=(0, (4, 3)), linewidth=1.0)
    for at, (model, spread) in enumerate(spreads.items()):
        if spread is None:
            axis.text(limits[0], at, " failed", va="center", color=GREY, fontsize=8)
            continue
        if spread.interval:
            ends = [metric.scale * end for end in spread.interval]
            wide: dict[str, Any] = {"linewidth": 5, "alpha": 0.35, "solid_capstyle": "butt"}
            axis.plot(ends, [at, at], color=marks[model].color, **wide)
        if len(spread.values) > 1:
            axis.plot(
                [metric.scale * value for value in spread.values], [at + 0.27] * len(spread.values),
                linestyle="", marker="o", markersize=3, markerfacecolor="white",
                markeredgecolor=TEXT, markeredgewidth=0.6, clip_on=False,
            )  # fmt: skip
        axis.plot([metric.scale * spread.mean], [at], **marks[model].line(markersize=6.5, clip_on=False))
        axis.annotate(
            metric.text(spread.mean), (1.05, at), xycoords=("axes fraction", "data"),
            va="center", color=TEXT, fontsize=8.5,
        )  # fmt: skip


def draw_curves(
    axis: Axes,
    title: str,
    metric: Metric,
    curves: Mapping[str, list[list[float]]],
    marks: Mapping[str, Look],
    limits: tuple[float, float],
) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_title(textwrap.fill(title, 40), fontsize=9.5, loc="left")
    room = 0.03 * (limits[1] - limits[0])  # for the markers at the ends
    axis.set_ylim(limits[0] - room, limits[1] + room)
    axis.grid(axis="y")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axis.set_xlabel("epoch")
    axis.set_ylabel(f"validation {metric.words}{_unit(metric)}")
    for model, runs in curves.items():
        # A run that stopped early keeps its last value, so that the mean does not jump where it ends.
        length = max(map(len, runs))
        whole = [[metric.scale * value for value in run + [run[-1]] * (length - len(run))] for run in runs]
        columns = list(zip(*whole, strict=True))
        epochs, means = range(1, length + 1), [statistics.fmean(values) for values in columns]
        every = max(1, length // 10)
        axis.plot(epochs, means, **marks[model].line(markersize=4, markevery=every, label=model))
        if len(runs) > 1:
            spreads = [statistics.stdev(values) for values in columns]
            low = [max(mean - spread, limits[0]) for mean, spread in zip(means, spreads, strict=True)]
            high = [min(mean + spread, limits[1]) for mean, spread in zip(means, spreads, strict=True)]
            axis.fill_between(epochs, low, high, color=marks[model].color, alpha=0.18, linewidth=0)


def draw_costs(
    axis: Axes,
    name: str,
    metric: Metric,
    points: Points,
    front: list[str],
    marks: Mapping[str, Look],
) -> None:
    from matplotlib.ticker import LogLocator
    from matplotlib.transforms import ScaledTranslation

    xs = [x for x, _ in points.values()]
    axis.set_xscale("log")
    axis.set_xlim(min(xs) / 1.35, max(xs) * 1.6)
    # Where the whole axis is less than a decade, its tens alone would leave it without a figure.
    narrow = max(xs) / min(xs) < 20
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if narrow else (1,)))
    plain_ticks(axis.xaxis)
    axis.grid(True)
    axis.set_axisbelow(True)
    axis.set_xlabel(name)
    axis.set_ylabel(f"mean test {metric.words}{_unit(metric)}")
    at = {model: (x, metric.scale * spread.mean) for model, (x, spread) in points.items()}
    line = zip(*(at[model] for model in front), strict=True)
    axis.step(*line, where="post", color=GREY, linewidth=1.2, linestyle=(0, (5, 2)))
    heights = [metric.scale * y for _, s in points.values() for y in (s.mean, *(s.interval or ()))]
    room = 0.12 * (max(heights) - min(heights)) or 1.0
    axis.set_ylim(min(heights) - room, max(heights) + room)
    shifts = shifts_of(at)
    for model, (x, y) in at.items():
        shift = ScaledTranslation(shifts[model] / 72, 0, axis.figure.dpi_scale_trans)
        beside = axis.transData + shift
        if interval := points[model][1].interval:
            ends = [metric.scale * end for end in interval]
            axis.plot([x, x], ends, color=marks[model].color, linewidth=4, alpha=0.3, transform=beside)
        axis.plot([x], [y], **marks[model].line(markersize=8, transform=beside, label=model))
        if model in front:
            axis.plot([x], [y], marker="o", markersize=15, markerfacecolor="none", markeredgecolor=TEXT,
                      markeredgewidth=0.8, transform=beside)  # fmt: skip


def shifts_of(at: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """How far to the right, in points, a mark is moved so that none hides another at the same place."""
    heights = [y for _, y in at.values()]
    near = 0.04 * (max(heights) - min(heights))
    shifts: dict[str, float] = {}
    for model, (x, y) in at.items():
        there = [
            shifts[other] for other, (ox, oy) in at.items()
            if other in shifts and abs(math.log(ox / x)) < 0.02 and abs(oy - y) <= near
        ]  # fmt: skip
        shifts[model] = max(there) + 11 if there else 0.0
    return shifts


def draw_times(axis: Axes, times: Mapping[str, float], marks: Mapping[str, Look]) -> None:
    _named_rows(axis, times)
    longest = max(times.values())
    unit, size = ("s", 1) if longest < 180 else ("min", 60) if longest < 3 * 3600 else ("h", 3600)
    axis.set_xlabel(f"training time ({unit})")
    for at, (model, seconds) in enumerate(times.items()):
        axis.barh(at, seconds / size, height=0.62, color=marks[model].color)
        axis.text(seconds / size, at, f" {duration(seconds)}", va="center", color=TEXT, fontsize=8.5)
    axis.set_xlim(0, longest / size * 1.22)


def _named_rows(axis: Axes, names: Iterable[str]) -> None:
    """A line per model, from the top."""
    names = list(names)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    axis.set_axisbelow(True)


def limits_of(values: Sequence[float], metric: Metric) -> tuple[float, float]:
    """From below the least value to above the largest, in round numbers of the metric's unit."""
    scaled = [metric.scale * value for value in values] or [0.0, 1.0]
    span = max(scaled) - min(scaled) or abs(scaled[0]) or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2) if span <= 6 * step * factor or factor == 2)
    bounds = sorted(metric.scale * bound for bound in metric.bounds)
    low = max(bounds[0], step * math.floor(min(scaled) / step - 0.1))
    return low, min(bounds[1], step * math.ceil(max(scaled) / step + 0.1))


def _unit(metric: Metric) -> str:
    return f" ({metric.unit})" if metric.unit else ""
