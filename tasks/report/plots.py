"""The pictures of a report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liafseq.tasks.metrics import METRICS, read_metrics
from liafseq.tasks.plots import TEXT, draw_curves, look, plain_ticks
from liafseq.tasks.report_panels import Panel
from liafseq.tasks.report_words import duration, listed, number, percent, task_key, task_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "accuracy_panels",
    "cost_panels",
    "curve_panels",
    "pareto",
    "time_panel",
]

GREY = "#8a8a8a"


def accuracy_panels(results: Mapping[str, Any], titles: Mapping[Any, str] | None = None) -> list[Panel]:
    """Test accuracy of every model: a panel a task, before them one of the mean over several."""
    summary = results["summary"]
    tasks = list(summary[0]["accuracy"]) if summary else []
    baseline = results.get("baseline") or {}
    models = [entry["model"] for entry in summary]
    shown: list[tuple[str, list[Any], float | None]] = [
        (task_title(task, titles), [entry["accuracy"][task] for entry in summary], baseline.get(task))
        for task in tasks
    ]
    if len(tasks) > 1:
        base = statistics.fmean(baseline.values()) if set(baseline) == set(tasks) else None
        shown.insert(0, (f"mean of {len(tasks)} tasks", [e["mean_accuracy"] for e in summary], base))
    if not any(spread for _, spreads, _ in shown for spread in spreads):
        return []
    height = 0.75 + 0.23 * len(models)
    return [
        Panel(
            partial(_accuracy, models=models, spreads=spreads, base=base, title=name),
            f"{name}: test accuracy of {_spoken(models, spreads)}",
            height=height,
        )
        for name, spreads, base in shown
    ]


def curve_panels(
    results: Mapping[str, Any], folder: Path, titles: Mapping[Any, str] | None = None
) -> tuple[list[Panel], list[str]]:
    """Validation accuracy by epoch: a panel a task (or joint training); and the files that are damaged."""
    found: dict[tuple[str, ...], dict[str, list[list[float]]]] = {}
    unread = []
    for row in results["runs"]:
        path = folder / str(row.get("run")) / METRICS
        if row["status"] != "finished" or not path.is_file():
            continue
        try:
            curve = [100 * line["valid_accuracy"] for line in read_metrics(path)]
        except (OSError, ValueError) as error:
            unread.append(str(error))
            continue
        if curve:
            key = tuple(map(str, row["tasks"]))
            found.setdefault(key, {}).setdefault(row["model"], []).append(curve)
    order = [entry["model"] for entry in results["summary"]]
    # One scale for all panels: from below the first values that count to 100.
    lowest = min((min(c) for curves in found.values() for own in curves.values() for c in own), default=0)
    low = max(0, 10 * math.floor(lowest / 10 - 0.2))
    panels = []
    for tasks in sorted(found, key=lambda tasks: (len(tasks), *map(task_key, tasks))):
        curves = {model: found[tasks][model] for model in order if model in found[tasks]}
        name = task_title(tasks[0], titles) if len(tasks) == 1 else f"{len(tasks)} tasks jointly"
        ends = listed(
            f"{model} {statistics.fmean(curve[-1] for curve in own):.1f}" for model, own in curves.items()
        )
        panels.append(
            Panel(
                partial(_curves, curves=curves, title=name, low=low),
                f"{name}: validation accuracy by epoch; at the end {ends} percent",
                height=2.6,
            )
        )
    return panels, unread


def cost_panels(results: Mapping[str, Any]) -> list[Panel]:
    """Mean accuracy against parameters, and against energy where it is known; none for one model."""
    rows = [row for row in results["runs"] if row["status"] == "finished"]
    panels = []
    for name, read in (
        ("parameters", lambda row: row.get("parameters")),
        ("energy a sample (nJ)", lambda row: (row.get("cost") or {}).get("energy_nj")),
    ):
        found: dict[str, tuple[float, Mapping[str, Any]]] = {}
        for entry in results["summary"]:
            values = [read(row) for row in rows if row["model"] == entry["model"]]
            if entry["mean_accuracy"] and values and None not in values and min(values) > 0:
                found[entry["model"]] = (statistics.fmean(values), entry["mean_accuracy"])
        if len(found) < 2:
            continue
        front = pareto({model: (x, spread["mean"]) for model, (x, spread) in found.items()})
        figures = listed(
            f"{model} {number(x)} and {percent(spread['mean'])}%" for model, (x, spread) in found.items()
        )
        panels.append(
            Panel(
                partial(_costs, found=found, front=front, name=name),
                f"Mean accuracy against {name}: {figures}. On the Pareto front: {listed(front)}.",
                width=4.6,
                height=3.3,
            )
        )
    return panels


def pareto(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Those of (cost, accuracy) that no other beats in one and equals or beats in the other, by cost.

    >>> pareto({"a": (1, 0.5), "b": (2, 0.7), "c": (3, 0.6), "d": (3, 0.9)})
    ['a', 'b', 'd']
    """
    front = [
        name
        for name, (cost, accuracy) in points.items()
        if not any(
            other_cost <= cost and other >= accuracy and (other_cost, other) != (cost, accuracy)
            for other_cost, other in points.values()
        )
    ]
    return sorted(front, key=lambda name: points[name])


def time_panel(results: Mapping[str, Any]) -> Panel | None:
    """Training time of the models; None for one or none."""
    times = {
        entry["model"]: entry["time"]["train_seconds"]
        for entry in results["summary"]
        if entry["time"]["train_seconds"]
    }
    if len(times) < 2:
        return None
    spoken = listed(f"{model} {duration(seconds)}" for model, seconds in times.items())
    return Panel(partial(_times, times=times), f"Training time: {spoken}", 5.2, 0.75 + 0.25 * len(times))


def _accuracy(axis: Axes, models: list[str], spreads: list[Any], base: float | None, title: str) -> None:
    axis.set_title(_wrapped(title), fontsize=9.5, loc="left")
    low, high = _limits(spreads)
    axis.set_xlim(low, high)
    axis.set_ylim(len(models) - 0.4, -0.6)
    axis.set_yticks(range(len(models)), models)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    axis.set_axisbelow(True)
    axis.set_xlabel("test accuracy (%)")
    if base is not None and low <= 100 * base <= high:
        axis.axvline(100 * base, color=GREY, linestyle=(0, (4, 3)), linewidth=1.0)
    for at, (model, spread) in enumerate(zip(models, spreads, strict=True)):
        style = look(model)
        if spread is None:
            axis.text(low, at, " failed", va="center", color=GREY, fontsize=8)
            continue
        if spread.get("interval"):
            ends = [100 * end for end in spread["interval"]]
            axis.plot(ends, [at, at], color=style["color"], linewidth=5, alpha=0.35, solid_capstyle="butt")
        if len(spread["seeds"]) > 1:
            axis.plot(
                [100 * value for value in spread["seeds"]],
                [at + 0.27] * len(spread["seeds"]),
                linestyle="", marker="o", markersize=3, markerfacecolor="white",
                markeredgecolor=TEXT, markeredgewidth=0.6, clip_on=False,
            )  # fmt: skip
        axis.plot([100 * spread["mean"]], [at], **{**style, "markersize": 6.5, "clip_on": False})
        axis.annotate(
            percent(spread["mean"]), (1.05, at), xycoords=("axes fraction", "data"),
            va="center", color=TEXT, fontsize=8.5,
        )  # fmt: skip


def _limits(spreads: Sequence[Mapping[str, Any] | None]) -> tuple[float, float]:
    """From below the lowest seed and interval to above the highest, in tens of percent."""
    values = [value for s in spreads if s for value in (*s["seeds"], *(s.get("interval") or ()))] or [0, 1]
    low = max(0, 10 * math.floor(10 * min(values) - 0.1))
    high = min(100, 10 * math.ceil(10 * max(values) + 0.1))
    return float(low), float(high)


def _curves(axis: Axes, curves: Mapping[str, list[list[float]]], title: str, low: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_title(_wrapped(title), fontsize=9.5, loc="left")
    for model, own in curves.items():
        draw_curves(axis, model, own)
    axis.set_ylim(low, 102)
    axis.grid(axis="y")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axis.set_xlabel("epoch")
    axis.set_ylabel("validation accuracy (%)")


def _costs(
    axis: Axes, found: Mapping[str, tuple[float, Mapping[str, Any]]], front: list[str], name: str
) -> None:
    from matplotlib.ticker import LogLocator

    xs = [x for x, _ in found.values()]
    axis.set_xscale("log")
    axis.set_xlim(min(xs) / 1.35, max(xs) * 1.6)
    # Where the whole axis is less than a decade, its tens alone would leave it without a figure.
    narrow = max(xs) / min(xs) < 20
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if narrow else (1,)))
    plain_ticks(axis.xaxis)
    axis.grid(True)
    axis.set_axisbelow(True)
    axis.set_xlabel(name)
    axis.set_ylabel("mean test accuracy (%)")
    line = [(found[model][0], 100 * found[model][1]["mean"]) for model in front]
    axis.step(*zip(*line, strict=True), where="post", color=GREY, linewidth=1.2, linestyle=(0, (5, 2)))
    for model, (x, spread) in found.items():
        style, y = look(model), 100 * spread["mean"]
        if spread.get("interval"):
            ends = [100 * end for end in spread["interval"]]
            axis.plot([x, x], ends, color=style["color"], linewidth=4, alpha=0.3)
        axis.plot([x], [y], **{**style, "markersize": 8})
        if model in front:
            axis.plot([x], [y], marker="o", markersize=15, markerfacecolor="none", markeredgecolor=TEXT,
                      markeredgewidth=0.8)  # fmt: skip
    _labels(axis, {model: (x, 100 * spread["mean"]) for model, (x, spread) in found.items()})


def _labels(axis: Axes, at: Mapping[str, tuple[float, float]]) -> None:
    """Names beside the points, moved up or down until none lies on another."""
    axis.margins(y=0.12)
    axis.autoscale_view(scalex=False)
    placed: list[tuple[float, float]] = []
    to_axes = axis.transData + axis.transAxes.inverted()
    for model, point in sorted(at.items(), key=lambda item: item[1][1]):
        x, y = to_axes.transform(point)
        wanted = y
        while any(abs(x - px) < 0.24 and abs(wanted - py) < 0.075 for px, py in placed):
            wanted += 0.01
        placed.append((x, wanted))
        axis.text(
            x + 0.04, wanted, model, transform=axis.transAxes, va="center", color=TEXT, fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )  # fmt: skip


def _times(axis: Axes, times: Mapping[str, float]) -> None:
    axis.set_ylim(len(times) - 0.4, -0.6)
    axis.set_yticks(range(len(times)), list(times))
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    axis.set_axisbelow(True)
    longest = max(times.values())
    unit, size = ("s", 1) if longest < 180 else ("min", 60) if longest < 3 * 3600 else ("h", 3600)
    axis.set_xlabel(f"training time ({unit})")
    for at, (model, seconds) in enumerate(times.items()):
        axis.barh(at, seconds / size, height=0.62, color=look(model)["color"])
        axis.text(seconds / size, at, f" {duration(seconds)}", va="center", color=TEXT, fontsize=8.5)
    axis.set_xlim(0, longest / size * 1.22)


def _spoken(models: Sequence[str], spreads: Sequence[Mapping[str, Any] | None]) -> str:
    parts = [
        f"{model} {percent(spread['mean'])}%" if spread else f"{model} failed"
        for model, spread in zip(models, spreads, strict=True)
    ]
    return listed(parts)


def _wrapped(text: str, width: int = 40) -> str:
    import textwrap

    return textwrap.fill(text, width)
