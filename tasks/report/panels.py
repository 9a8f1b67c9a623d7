"""One picture of a report: drawn on its own (SVG) or beside others (PNG)."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liafseq.tasks.plots import STYLE, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "png", "svg", "swatch"]


@dataclass(frozen=True)
class Panel:
    """One picture: what draws it on an axis, its size in inches, and its content in words."""

    draw: Callable[[Axes], object]
    alt: str
    width: float = 3.5
    height: float = 2.5


def svg(panel: Panel) -> bytes:
    """The panel as an SVG file; texts are paths, so that it needs no font. Equal panels, equal bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({**STYLE, "font.size": 9, "svg.fonttype": "path", "svg.hashsalt": "liafseq"}):
        figure = Figure(figsize=(panel.width, panel.height), layout="constrained")
        panel.draw(figure.subplots())
        buffer = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


def png(panels: Sequence[Panel], columns: int = 3, legend: Sequence[str] = ()) -> bytes:
    """The panels side by side, over a legend of these models, as a PNG file."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
    size = (panels[0].width * columns, max(p.height for p in panels) * lines + (0.35 if legend else 0.0))
    with rc_context({**STYLE, "font.size": 9}):
        figure = Figure(figsize=size, dpi=130, layout="constrained")
        for axis, panel in zip(figure.subplots(lines, columns, squeeze=False).flat, panels, strict=False):
            panel.draw(axis)
        for axis in figure.axes[len(panels) :]:
            axis.set_visible(False)
        if legend:
            handles = [Line2D([], [], label=model, **look(model)) for model in legend]
            figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7))
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def swatch(model: str) -> bytes:
    """A model's line and marker, for a legend, as an SVG file."""

    def draw(axis: Axes) -> None:
        axis.set_axis_off()
        axis.set_ylim(-1, 1)
        axis.plot([0, 1, 2], [0, 0, 0], markevery=[1], **look(model))

    return svg(Panel(draw, model, 0.42, 0.18))
