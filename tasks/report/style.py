"""How the pictures look: the marks of each model, and one panel drawn alone (SVG) or beside others (PNG)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liafseq.tasks import models
from liafseq.tasks.report.words import number
from liafseq.tasks.results import Study
from liafseq.tasks.suite_results import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = [
    "GREY", "STYLE", "TEXT", "Look", "Panel", "look", "looks", "looks_of", "plain_ticks", "png", "svg",
    "swatch",
]  # fmt: skip

GREY = "#8a8a8a"
TEXT = "#333333"

STYLE: dict[Any, Any] = {
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

# Fill of the marker, dashes, shade (below 0 darker), of the first, second, ... settings of a model.
_LAYERS: tuple[tuple[str, Any, float], ...] = (
    ("full", "-", 0.0), ("none", (0, (1, 1.2)), -0.4), ("left", (0, (6, 1.5, 1, 1.5)), 0.35),
    ("bottom", (0, (2, 2)), -0.65), ("right", (0, (5, 1, 1, 1, 1, 1)), 0.5), ("top", (0, (8, 3)), -0.2),
)  # fmt: skip
_MAPS: tuple[tuple[str, Any, float], ...] = (
    ("none", (0, (4, 1.5)), 0.0), ("top", (0, (1, 2.5)), -0.4), ("right", (0, (7, 2, 2, 2)), 0.35),
    ("left", (0, (2.5, 1)), -0.65), ("bottom", (0, (3, 1, 1, 1)), 0.5), ("full", (0, (10, 2)), -0.2),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """Colour, marker, the marker's fill and the dashes of a model."""

    color: str
    marker: str
    fill: str = "full"
    dashes: Any = "-"

    def line(self, **more: Any) -> dict[str, Any]:
        """Arguments of ``Axes.plot``."""
        return {
            "color": self.color,
            "marker": self.marker,
            "fillstyle": self.fill,
            "markerfacecoloralt": "white",
            "markersize": 5,
            "linestyle": self.dashes,
            "linewidth": 1.6,
            **({"markerfacecolor": "white", "fillstyle": "full"} if self.fill == "none" else {}),
            **more,
        }


def look(name: str) -> Look:
    """The look of a model of the registry; a plain one for any other name."""
    return looks_of([(name, name)])[name]


def looks(study: Study | Entry) -> dict[str, Look]:
    """The looks of a study's models, by label."""
    return looks_of((entry.model, entry.name) for entry in study.summary)


def looks_of(named: Iterable[tuple[str, str]]) -> dict[str, Look]:
    """The looks of models, given as (label, name), by label.

    No two share marker, fill and dashes, so that none needs its colour to be told from the others: several
    settings of one model have another shade, fill and dashes; a convolution is dashed and hollow.

    >>> [shown.fill for shown in looks_of([("liaf", "liaf"), ("gated", "liaf"), ("gru", "gru")]).values()]
    ['full', 'none', 'full']
    """
    seen: dict[tuple[str, str, bool], int] = {}
    found = {}
    for label, name in named:
        try:
            model = models.model(name)
        except ValueError:  # of a package that is not installed here, or a peer of a bench
            model = models.Model(name, name, name)
        key = (model.color, model.marker, model.kind == "maps")
        kinds = _MAPS if key[2] else _LAYERS
        fill, dashes, shade = kinds[seen.get(key, 0) % len(kinds)]
        seen[key] = seen.get(key, 0) + 1
        found[label] = Look(_shaded(model.color, shade), model.marker, fill, dashes)
    return found


def _shaded(color: str, amount: float) -> str:
    """A colour mixed with white, or, where ``amount`` is below 0, with black."""
    goal = 255 if amount > 0 else 0
    parts = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(part + abs(amount) * (goal - part)):02x}" for part in parts)


def plain_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis, whose own formatter writes the mathtext that STYLE turns off."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


@dataclass(frozen=True)
class Panel:
    """One picture: what draws it on an axis, its content in words, its size in inches.

    ``models`` are those that a legend must explain; ``shows`` names what else is drawn on it, for the
    caption.
    """

    draw: Callable[[Axes], object]
    alt: str
    width: float = 3.5
    height: float = 2.5
    shows: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()


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


def png(panels: Sequence[Panel], columns: int = 3, legend: Mapping[str, Look] | None = None) -> bytes:
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
            handles = [Line2D([], [], label=name, **shown.line()) for name, shown in legend.items()]
            wide = min(len(handles), round(2.3 * columns))
            figure.legend(handles=handles, loc="outside lower center", ncols=wide, handlelength=3)
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def swatch(shown: Look) -> bytes:
    """A model's line and marker, for a legend, as an SVG file."""

    def draw(axis: Axes) -> None:
        axis.set_axis_off()
        axis.set_ylim(-1, 1)
        axis.plot([0, 1, 2], [0, 0, 0], **shown.line(markevery=[1]))

    return svg(Panel(draw, "", 0.55, 0.18))
