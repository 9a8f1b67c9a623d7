"""The pictures of a study over several tasks: the diagram of mean ranks, and ranks against costs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from liafseq.tasks.report.drawing import draw_costs
from liafseq.tasks.report.plots import pareto
from liafseq.tasks.report.style import GREY, TEXT, Look, Panel, looks
from liafseq.tasks.report.suite_table import COSTS, relative, verdict
from liafseq.tasks.report.words import listed, number
from liafseq.tasks.results import Spread
from liafseq.tasks.suite_results import Ranks, Suite
from liafseq.tasks.task import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["pareto_panels", "rank_panel"]

_RANK = Metric("rank", lambda sums: sums.loss, digits=2, higher_is_better=False)


def rank_panel(suite: Suite) -> Panel | None:
    """The critical-difference diagram (Demsar 2006, figure 1); None where nothing is ranked."""
    ranks = suite.ranks
    if ranks.p is None:
        return None
    spoken = listed(f"{model} {ranks.mean[model]:.2f}" for model in ranks.ordered())
    draw = partial(draw_ranks, ranks=ranks, marks=looks(suite.entries[0]))
    lines = (len(ranks.mean) + 1) // 2
    height = 0.75 + 0.24 * lines + 0.12 * len(ranks.together())
    return Panel(draw, f"Mean ranks: {spoken}. {verdict(suite)}", 6.4, height)


def draw_ranks(axis: Axes, ranks: Ranks, marks: Mapping[str, Look]) -> None:
    """Models on an axis of mean ranks, the best to the left; a bar joins those that are not told apart."""
    order, bars = ranks.ordered(), ranks.together() if ranks.critical is not None else []
    last, half = len(order), (len(order) + 1) // 2
    step, bar = 1.0, 0.5
    lowest = -bar * len(bars) - step * (half + 0.2)
    axis.set_xlim(1 - 0.32 * last, last + 0.32 * last)
    axis.set_ylim(lowest, 2.2)
    axis.set_axis_off()
    line: dict[str, Any] = {"color": TEXT, "linewidth": 0.9, "solid_capstyle": "butt"}
    axis.plot([1, last], [0, 0], **line)
    for tick in range(1, last + 1):
        axis.plot([tick, tick], [0, 0.22], **line)
        axis.text(tick, 0.32, str(tick), ha="center", va="bottom", color=TEXT, fontsize=8.5)
    if ranks.critical is not None:
        axis.plot([1, 1 + ranks.critical], [1.65, 1.65], **{**line, "linewidth": 2.0})
        text = f"critical difference {ranks.critical:.2f}"
        axis.text(1 + ranks.critical + 0.04 * last, 1.65, text, va="center", color=TEXT, fontsize=8.5)
    for at, group in enumerate(bars):
        ends = [ranks.mean[group[0]] - 0.012 * last, ranks.mean[group[-1]] + 0.012 * last]
        axis.plot(ends, [-bar * (at + 0.7)] * 2, color=GREY, linewidth=4, solid_capstyle="butt")
    for at, model in enumerate(order):
        rank, left = ranks.mean[model], at < half
        row = at if left else len(order) - 1 - at
        height = -bar * len(bars) - step * (row + 0.7)
        side = 1 - 0.04 * last if left else last + 0.04 * last
        axis.plot([rank, rank, side], [0, height, height], **line)
        axis.plot([rank], [0], **marks[model].line(markersize=6, linestyle=""))
        figure = f"{model}  {rank:.2f}" if left else f"{rank:.2f}  {model}"
        beside = side - 0.01 * last if left else side + 0.01 * last
        axis.text(
            beside, height, figure, ha="right" if left else "left", va="center", color=TEXT, fontsize=8.5
        )


def pareto_panels(suite: Suite) -> list[Panel]:
    """Mean rank against weights and energy, as multiples of the first model's; none for one model."""
    panels: list[Panel] = []
    if suite.ranks.p is None:
        return panels
    for name in ("weights", "energy"):
        costs = relative(suite, COSTS[name])
        if not costs:
            continue
        means = suite.ranks.mean
        points = {
            model: (cost, Spread(mean=means[model], std=None, interval=None, values=(means[model],)))
            for model, cost in costs.items()
        }
        front = pareto({model: (cost, _RANK.better(means[model])) for model, cost in costs.items()})
        spoken = listed(f"{model} {number(cost)} and {means[model]:.2f}" for model, cost in costs.items())
        alt = f"Mean rank against {name}: {spoken}. On the Pareto front: {listed(front)}."
        title = f"{name}, multiple of {suite.models[0]}'s"
        draw = partial(_draw, name=title, points=points, front=front, marks=looks(suite.entries[0]))
        panels.append(Panel(draw, alt, 4.6, 3.3, models=tuple(costs)))
    return panels


def _draw(
    axis: Axes,
    name: str,
    points: Mapping[str, tuple[float, Spread]],
    front: list[str],
    marks: Mapping[str, Look],
) -> None:
    draw_costs(axis, name, _RANK, points, front, marks)
    axis.set_ylabel("mean rank, the best above")
    axis.invert_yaxis()
