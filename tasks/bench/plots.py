"""How cost grows with one size, as bytes of a PNG file."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from liafseq.tasks.bench.config import SWEEPS
from liafseq.tasks.report.style import STYLE, look, plain_ticks

__all__ = ["sweep_plot"]

NAMES = {"T": "time steps", "N": "batch size", "H": "hidden size"}


def sweep_plot(letter: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Time of a step against the size that varies, one panel a mode, both axes logarithmic.

    Args:
        letter: which size, one of ``SWEEPS``.
        rows: of ``liafseq.tasks.bench.runner.bench``; those without a speed are left out.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    name = SWEEPS[letter][0]
    modes = list(dict.fromkeys(row["mode"] for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    sizes = sorted({row["shape"][name] for row in rows})
    with rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(modes) + 1.4, 4.2), dpi=130, layout="constrained")
        axes = figure.subplots(1, len(modes), sharey=True, squeeze=False)[0]
        for axis, mode in zip(axes, modes, strict=True):
            for model in models:
                points = sorted(
                    (row["shape"][name], 1000 * row["seconds"]["median"])
                    for row in rows
                    if (row["mode"], row["model"], row["status"]) == (mode, model, "ok")
                )
                if not points:
                    continue
                floor = model == "floor"
                axis.plot(
                    *zip(*points, strict=True), color=look(model).color, label=model, markersize=5,
                    marker=None if floor else look(model).marker,
                    linestyle=(0, (4, 3)) if floor else "-",
                )  # fmt: skip
            axis.set_xscale("log")
            axis.set_yscale("log")
            plain_ticks(axis.yaxis)
            axis.set_xticks(sizes, [str(size) for size in sizes])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.grid(True)
            axis.set_xlabel(NAMES[letter])
            axis.set_title(mode)
        axes[0].set_ylabel("milliseconds")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
