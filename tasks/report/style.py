"""The plots of a study, as bytes of PNG files."""

from __future__ import annotations

import io
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liafseq.tasks.metrics import read_metrics
from liafseq.tasks.report_words import number, task_key, task_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["STYLE", "TEXT", "accuracy_plot", "colour", "curves_plot", "draw_curves", "look", "plain_ticks"]

# Okabe and Ito's palette, safe for colour-blind readers; warm colours spike, cool ones do not.
COLOURS = {
    "liaf": "#D55E00",
    "lif": "#E69F00",
    "dalif": "#CC79A7",
    "mlif": "#8C6D1F",
    "gru": "#0072B2",
    "lstm": "#56B4E9",
    "rnn": "#009E73",
    "conv3d": "#000000",
}
MARKERS = {
    "liaf": "o", "lif": "s", "dalif": "^", "mlif": "D", "gru": "v", "lstm": "P", "rnn": "X", "conv3d": "*",
}  # fmt: skip
OTHER = "#555555"
TEXT = "#333333"
TASKS_A_ROW = 5
BASELINE = "always the most frequent answer"

STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": TEXT,
    "axes.titlesize": 10.5,
    "axes.titlecolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    # A dollar sign in a name is no formula.
    "text.parse_math": False,
}


def colour(model: str) -> str:
    """The colour of a model, the same in every plot; a convolution has that of its layer."""
    return COLOURS.get(model, COLOURS.get(model.removeprefix("conv-"), OTHER))


def look(model: str) -> dict[str, Any]:
    """Colour, marker and dashes of a model: no two models share all, and none needs its colour to be
    told from the others. A convolution is dashed and its marker hollow."""
    hollow = model.startswith("conv-")
    return {
        "color": colour(model),
        "marker": MARKERS.get(model, MARKERS.get(model.removeprefix("conv-"), ".")),
        "markersize": 5,
        "markerfacecolor": "white" if hollow else colour(model),
        "linestyle": (0, (4, 1.5)) if hollow else "-",
        "linewidth": 1.6,
    }


def plain_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis, whose own formatter writes the mathtext that STYLE turns off."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def accuracy_plot(results: Mapping[str, Any], titles: Mapping[Any, str] | None = None) -> bytes:
    """Test accuracy by model, one panel a task, with the seeds and their standard deviation."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    summary = results["summary"]
    tasks = list(summary[0]["accuracy"])
    models = [entry["model"] for entry in summary]
    seeds = len({row["seed"] for row in results["runs"]})
    baseline = results.get("baseline") or {}
    columns = min(len(tasks), TASKS_A_ROW)
    lines = -(-len(tasks) // columns)
    width = max(5.6, columns * max(1.9, 0.48 * len(models) + 0.5) + 0.8)
    with rc_context(STYLE):
        figure = Figure(figsize=(width, 2.9 * lines + 0.6), dpi=130, layout="constrained")
        axes = figure.subplots(lines, columns, sharey=True, squeeze=False)
        for at, axis in enumerate(axes.flat):
            if at >= len(tasks):
                axis.set_visible(False)
                continue
            spreads = [entry["accuracy"][tasks[at]] for entry in summary]
            _accuracy_panel(axis, models, spreads, room=width / columns / len(models))
            base = baseline.get(tasks[at])
            if base is not None:
                axis.axhline(100 * base, color=TEXT, linestyle=(0, (4, 3)), linewidth=0.9)
            axis.set_title(_title(tasks[at], titles, columns))
            if at % columns == 0:
                axis.set_ylabel("test accuracy (%)")
        _accuracy_legend(figure, several=seeds > 1, base=bool(baseline))
        return _png(figure)


def curves_plot(
    results: Mapping[str, Any], folder: Path, titles: Mapping[Any, str] | None = None
) -> bytes | None:
    """Validation accuracy by epoch, one panel a task (or joint training), a line a model.

    The line is the mean over the seeds, the band its standard deviation. None where no run has
    left metrics.jsonl.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels: dict[tuple[str, ...], dict[str, list[list[float]]]] = {}
    for row in results["runs"]:
        curve = _curve(folder / row["run"] / "metrics.jsonl") if row["status"] == "finished" else []
        if curve:
            panels.setdefault(tuple(map(str, row["tasks"])), {}).setdefault(row["model"], []).append(curve)
    if not panels:
        return None
    columns = min(len(panels), TASKS_A_ROW)
    lines = -(-len(panels) // columns)
    with rc_context(STYLE):
        size = (max(6.0, 3.3 * columns + 0.6), 2.9 * lines + 0.8)
        figure = Figure(figsize=size, dpi=130, layout="constrained")
        axes = figure.subplots(lines, columns, sharey=True, squeeze=False)
        handles: dict[str, Any] = {}
        for at, axis in enumerate(axes.flat):
            if at >= len(panels):
                axis.set_visible(False)
                continue
            tasks = sorted(panels, key=lambda tasks: [*map(task_key, tasks)])[at]
            for entry in results["summary"]:
                model = entry["model"]
                if model in panels[tasks]:
                    handles[model] = draw_curves(axis, model, panels[tasks][model])
            title = _title(tasks[0], titles, columns) if len(tasks) == 1 else f"{len(tasks)} tasks jointly"
            axis.set_title(title)
            axis.set_ylim(0, 103)
            axis.grid(axis="y")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            if at % columns == 0:
                axis.set_ylabel("validation accuracy (%)")
            if at + columns >= len(panels):
                axis.set_xlabel("epoch")
        order = [entry["model"] for entry in results["summary"] if entry["model"] in handles]
        figure.legend(
            [handles[model] for model in order], order, loc="outside lower center", ncols=min(len(order), 7)
        )
        return _png(figure)


def _accuracy_panel(axis: Axes, models: list[str], spreads: list[Any], room: float) -> None:
    axis.set_axisbelow(True)
    axis.grid(axis="y")
    axis.set_ylim(0, 109)
    axis.set_yticks(range(0, 101, 20))
    axis.set_xlim(-0.6, len(models) - 0.4)
    axis.set_xticks(range(len(models)), models, rotation=0 if room > 0.5 else 60)
    axis.tick_params(axis="x", length=0)
    for at, (model, spread) in enumerate(zip(models, spreads, strict=True)):
        if spread is None:
            axis.text(at, 2, "failed", rotation=90, ha="center", va="bottom", color=OTHER, fontsize=8)
            continue
        mean, values = 100 * spread["mean"], [100 * value for value in spread["seeds"]]
        axis.bar(at, mean, width=0.72, color=colour(model))
        top = mean
        if spread["std"] is not None:
            axis.errorbar(at, mean, yerr=100 * spread["std"], color=TEXT, capsize=3, linewidth=1.1)
            offsets = (
                [0.0]
                if len(values) == 1
                else [0.3 * (i / (len(values) - 1) - 0.5) for i in range(len(values))]
            )
            axis.plot(
                [at + offset for offset in offsets],
                values,
                linestyle="",
                marker="o",
                markersize=3.2,
                markerfacecolor="white",
                markeredgecolor=TEXT,
                markeredgewidth=0.7,
            )
            top = max(mean + 100 * spread["std"], *values)
        # A spread beyond 100% must not push its figure out of the panel.
        text = f"{mean:.0f}" if room <= 0.5 else f"{mean:.1f}"
        axis.text(at, min(top, 101.5) + 1.2, text, ha="center", va="bottom", color=TEXT, fontsize=8)


def _accuracy_legend(figure: Figure, *, several: bool, base: bool) -> None:
    from matplotlib.lines import Line2D

    handles = []
    if several:
        dot = {"marker": "o", "markersize": 3.8, "markerfacecolor": "white", "markeredgecolor": TEXT}
        handles.append(Line2D([], [], linestyle="", label="one seed", **dot))
        handles.append(Line2D([], [], color=TEXT, linewidth=1.1, label="standard deviation"))
    if base:
        handles.append(Line2D([], [], color=TEXT, linestyle=(0, (4, 3)), linewidth=0.9, label=BASELINE))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)


def draw_curves(axis: Axes, model: str, curves: list[list[float]]) -> Any:
    """The mean of a model's curves by epoch, and their standard deviation as a band; gives the line."""
    # A run that stopped early keeps its last value, so that the mean does not jump where it ends.
    length = max(map(len, curves))
    columns = list(zip(*(curve + [curve[-1]] * (length - len(curve)) for curve in curves), strict=True))
    epochs = range(1, length + 1)
    means = [statistics.fmean(values) for values in columns]
    style = {**look(model), "markersize": 4, "markevery": max(1, length // 10), "label": model}
    (line,) = axis.plot(epochs, means, **style)
    if len(curves) > 1:
        spreads = [statistics.stdev(values) for values in columns]
        low = [mean - spread for mean, spread in zip(means, spreads, strict=True)]
        high = [min(mean + spread, 100.0) for mean, spread in zip(means, spreads, strict=True)]
        axis.fill_between(epochs, low, high, color=colour(model), alpha=0.18, linewidth=0)
    return line


def _curve(path: Path) -> list[float]:
    """Validation accuracy in percent, epoch by epoch; empty where it cannot be read."""
    try:
        return [100 * line["valid_accuracy"] for line in read_metrics(path)]
    except (OSError, ValueError):
        return []


def _title(task: str, titles: Mapping[Any, str] | None, columns: int) -> str:
    return task_title(task, titles).replace(": ", ": " if columns < 3 else "\n", 1)


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
