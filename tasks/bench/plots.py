"""How cost grows with one size, as bytes of a PNG file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from liafseq.tasks.bench.config import FLOOR, Sweep
from liafseq.tasks.bench.results import Timing
from liafseq.tasks.models import Model, model

__all__ = ["sweep_plot"]

NAMES = {"T": "time steps", "N": "batch size", "H": "hidden size"}
DASHES: tuple[Any, ...] = ("-", (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (2, 2)))


def sweep_plot(sweep: Sweep, rows: Sequence[Timing]) -> bytes:
    """Time of a step against the size that varies, one panel per mode, both axes logarithmic.

    Rows without a speed are left out.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    from liafseq.tasks.report.style import STYLE, plain_ticks

    modes = list(dict.fromkeys(row.mode for row in rows))
    looks = _looks(rows)
    sizes = sorted({sweep.size(row.shape) for row in rows})
    with rc_context(dict[Any, Any](STYLE)):
        figure = Figure(figsize=(4.6 * len(modes) + 1.4, 4.2), dpi=130, layout="constrained")
        axes = figure.subplots(1, len(modes), sharey=True, squeeze=False)[0]
        for axis, mode in zip(axes, modes, strict=True):
            for label, look in looks.items():
                points = sorted(
                    (sweep.size(row.shape), 1000 * row.speed.seconds.median)
                    for row in rows
                    if row.speed is not None and (row.mode, row.model) == (mode, label)
                )
                if points:
                    axis.plot(*zip(*points, strict=True), label=label, **look)
            axis.set_xscale("log")
            axis.set_yscale("log")
            plain_ticks(axis.yaxis)
            axis.set_xticks(sizes, [str(size) for size in sizes])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.grid(True)
            axis.set_xlabel(NAMES[sweep.letter])
            axis.set_title(mode)
        axes[0].set_ylabel("milliseconds")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _looks(rows: Sequence[Timing]) -> dict[str, dict[str, Any]]:
    """How each label is drawn: as the registry says; further settings of a model dashed and hollow."""
    names = {row.model: row.name for row in rows}
    looks: dict[str, dict[str, Any]] = {}
    for label, name in names.items():
        before = list(names.values())[: list(names).index(label)].count(name)
        if name == FLOOR:
            looks[label] = {"color": Model.color, "linestyle": (0, (4, 3 + 4 * before))}
            continue
        entry = _entry(name)
        looks[label] = {
            "color": entry.color,
            "marker": entry.marker,
            "markersize": 5,
            "markerfacecolor": "white" if before else entry.color,
            "linestyle": DASHES[before % len(DASHES)],
        }
    return looks


def _entry(name: str) -> Model:
    """The model of the registry; a plain one for a peer."""
    try:
        return model(name)
    except ValueError:
        return Model(name, name, "")
