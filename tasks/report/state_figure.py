"""What a network holds step by step, as a picture: its state, its spikes, what it would answer."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liafseq.tasks.report.style import STYLE, TEXT

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from liafseq.tasks.models import Model

__all__ = ["chosen_neurons", "rows_of_steps", "spike_name", "state_figure", "state_name"]

WORDS_A_ROW, FRAMES_A_ROW = 34, 12
# Okabe and Ito: the right answer, what is answered in its place, others.
OTHERS = "#b5b5b5"
LINES: tuple[tuple[str, Any, str], ...] = (
    ("#0072B2", "-", "o"),
    ("#D55E00", (0, (4, 2)), "s"),
    ("#555555", (0, (1, 1.5)), "^"),
)


def state_name(model: Model, *, spikes: bool) -> str:
    """What the state of a model's layer is called."""
    if spikes:
        return "membrane potential u"
    return "cell c" if model.pair else "hidden state h"


def spike_name(layer: Any) -> str:
    """What a dot is: a spike, or a threshold crossed by a neuron that emits analog values."""
    neuron = getattr(layer, "neuron", None)
    if neuron is None:
        return "spike"
    if neuron.analog:
        return "threshold crossed" if neuron.reset == "none" else "threshold crossed (reset)"
    return "spikes (larger: more)" if neuron.levels > 1 else "spike"


def chosen_neurons(values: np.ndarray, count: int) -> list[int]:
    """Which neurons to show: those that vary most over the steps, the slow ones first.

    Args:
        values: (steps, neurons).
        count: how many at most.

    Returns:
        Their indices, ordered by how alike a neuron's value is to the one a step before.
    """
    import numpy as np

    values = np.asarray(values, dtype=np.float64)
    spread = values.std(0)
    kept = np.argsort(-spread, kind="stable")[:count]
    # One that stands still is not slow: it says nothing, and comes last.
    change = np.full(len(kept), np.inf)
    moved = np.abs(np.diff(values[:, kept], axis=0)).sum(0)
    np.divide(moved, spread[kept], out=change, where=spread[kept] > 0)
    return kept[np.argsort(change, kind="stable")].tolist()


def rows_of_steps(steps: int, most: int, ends: Sequence[int] = ()) -> list[tuple[int, int]]:
    """Cuts steps into rows of at most ``most``, as even as may be, and behind one of ``ends`` (a full stop)
    where a row holds one.

    >>> rows_of_steps(10, 6, ends=[3, 7, 9]), rows_of_steps(7, 6)
    ([(0, 4), (4, 10)], [(0, 4), (4, 7)])
    """
    rows, start = [], 0
    while start < steps:
        left = -(-(steps - start) // most)
        even = start + -(-(steps - start) // left)
        inside = [end + 1 for end in ends if start < end + 1 <= start + most]
        if left == 1:
            stop = steps
        else:
            # Not so early that another row becomes necessary, where there is a choice.
            enough = [at for at in inside if -(-(steps - at) // most) < left] or inside[-1:]
            stop = min(enough, key=lambda at: (abs(at - even), -at), default=even)
        rows.append((start, stop))
        start = stop
    return rows


def state_figure(
    values: Any,
    spikes: Any | None,
    ticks: Sequence[Any],
    probabilities: Mapping[str, Any],
    *,
    title: str,
    subtitle: str = "",
    others: Any | None = None,
    quantity: str = "membrane potential u",
    spike_name: str = "spike",
    neurons: Sequence[int] | None = None,
    ends: Sequence[int] = (),
) -> bytes:
    """Draws a state over steps: a map of neurons by steps, below it what would be answered, and the steps.

    Args:
        values: (steps, neurons).
        spikes: (steps, neurons), 0 where there is none; None for a network without spikes.
        ticks: of each step a word, or a picture as an array (height, width, 3) of 0 to 255.
        probabilities: name -> (steps), at most three; the first is drawn as the right answer.
        others: (steps, n): probabilities of other answers, drawn in grey; None for none.
        title, subtitle: above; long ones are wrapped.
        quantity: what the values are, for the colour bar.
        spike_name: what a dot is, for the legend.
        neurons: the names of the columns; by default their numbers.
        ends: steps with which something ends, such as a sentence: they have large marks, a line behind
            them, and rows break there.

    Returns:
        A PNG file. Long sequences wrap into several rows of panels.

    Raises:
        ValueError: arrays whose shapes do not fit together, no step, or values that are not finite.
    """
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    values = np.asarray(values, dtype=np.float64)
    spikes = None if spikes is None else np.asarray(spikes)
    curves = {name: np.asarray(curve, dtype=np.float64) for name, curve in probabilities.items()}
    others = np.zeros((len(values), 0)) if others is None else np.asarray(others, dtype=np.float64)
    _check(values, spikes, ticks, curves, others)
    steps, count = values.shape
    names = list(range(count)) if neurons is None else list(neurons)
    pictures = not isinstance(ticks[0], str)
    rows = rows_of_steps(steps, FRAMES_A_ROW if pictures else WORDS_A_ROW, ends)
    columns = max(stop - start for start, stop in rows)
    # One cell is as wide in a picture of few steps as in one of many, and never a splinter.
    # Room on the left for the longest first word, which leans that way.
    longest = 0 if pictures else max(len(tick) for tick in ticks)
    margin = max(0.75, 0.2 + 0.036 * longest)
    width = max(8.5, columns * (0.95 if pictures else 0.33) + margin + 0.95)
    state_height = max(1.2, 0.13 * count)
    heights = ([0.95] if pictures else []) + [state_height, 0.95]
    below = 0.45 if pictures else 0.22 + 0.06 * longest
    limit = float(np.quantile(np.abs(values), 0.99)) or 1.0
    head = [*_wrapped(title, width, 10.5), "\n", *_wrapped(subtitle, width, 13.5)]
    top = 0.35 + 0.2 * len(head)
    tall = top + len(rows) * (sum(heights) + below + 0.25)
    with rc_context({**STYLE, "font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=(width, tall), dpi=110)
        at = tall - top
        for start, stop in rows:
            share = (stop - start) / columns
            left, whole = margin / width, (width - margin - 1.0) / width
            axes = []
            for height in heights:
                axes.append(figure.add_axes((left, (at - height) / tall, whole * share, height / tall)))
                at -= height + 0.06
            at -= below + 0.25 - 0.06 * len(heights)
            part = slice(start, stop)
            if pictures:
                _frames(axes[0], ticks[part], whole * width / columns / heights[0])
            image = _state(axes[-2], values[part], None if spikes is None else spikes[part], names, limit)
            inside = [end - start for end in ends if start <= end < stop]
            _answers(axes[-1], {name: curve[part] for name, curve in curves.items()}, others[part], inside)
            words = [str(number) for number in range(start, stop)] if pictures else list(ticks[part])
            _steps(axes, words, [end for end in inside if end < stop - start - 1], pictures)
            if start == 0:
                side = figure.add_axes(
                    (
                        left + whole + 0.14 / width,
                        axes[-2].get_position().y0,
                        0.13 / width,
                        state_height / tall,
                    )
                )
                figure.colorbar(image, cax=side).set_label(quantity, color=TEXT, fontsize=8.5)
                side.tick_params(labelsize=7.5)
        _head(figure, head, curves, others.shape[1], None if spikes is None else spike_name, tall)
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _check(values: Any, spikes: Any, ticks: Sequence[Any], curves: Mapping[str, Any], others: Any) -> None:
    import numpy as np

    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"values must be (steps, neurons), at least one of each; got shape {values.shape}")
    if spikes is not None and spikes.shape != values.shape:
        raise ValueError(f"spikes must have the shape of values, {values.shape}, got {spikes.shape}")
    if len(ticks) != len(values):
        raise ValueError(f"ticks must be one a step, {len(values)}, got {len(ticks)}")
    if not 1 <= len(curves) <= len(LINES):
        raise ValueError(f"probabilities must be of 1 to {len(LINES)} answers, got {len(curves)}")
    for name, curve in curves.items():
        if curve.shape != (len(values),):
            raise ValueError(f"probabilities of {name!r} must be ({len(values)},), got {curve.shape}")
    if others.ndim != 2 or len(others) != len(values):
        raise ValueError(f"others must be ({len(values)}, any number), got {others.shape}")
    if not all(np.isfinite(array).all() for array in (values, others, *curves.values())):
        raise ValueError("values and probabilities must be finite")


def _state(axis: Axes, values: Any, spikes: Any, names: Sequence[Any], limit: float) -> Any:
    steps, count = values.shape
    image = axis.imshow(
        values.T, aspect="auto", cmap="PuOr_r", vmin=-limit, vmax=limit, interpolation="nearest",
        extent=(-0.5, steps - 0.5, count - 0.5, -0.5),
    )  # fmt: skip
    if spikes is not None:
        at, neuron = spikes.nonzero()
        axis.scatter(
            at, neuron, s=4.0 + 5.0 * spikes[at, neuron].astype(float), color="black", edgecolors="white",
            linewidths=0.5, zorder=3,
        )  # fmt: skip
    axis.set_yticks(range(count), names, fontsize=6.5 if count <= 40 else 4.5)
    axis.set_ylabel("neuron", fontsize=8.5)
    axis.tick_params(axis="both", length=0)
    return image


def _answers(axis: Axes, curves: Mapping[str, Any], others: Any, ends: Sequence[int]) -> None:
    if others.shape[1]:
        axis.plot(others, color=OTHERS, linewidth=0.8, zorder=1)
    for (color, line, marker), curve in zip(LINES, curves.values(), strict=False):
        axis.plot(
            range(len(curve)), curve, color=color, linestyle=line, marker=marker, markersize=3, linewidth=1.4,
            clip_on=False,
        )  # fmt: skip
        large: dict[str, Any] = {
            "color": color,
            "linestyle": "",
            "marker": marker,
            "markersize": 6.5,
            "clip_on": False,
        }
        if ends:
            axis.plot(ends, curve[list(ends)], **large)
    axis.set_ylim(0, 1)
    axis.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axis.grid(axis="y")
    axis.set_ylabel("probability", fontsize=8.5)


def _frames(axis: Axes, frames: Sequence[Any], cell: float) -> None:
    """Pictures with square pixels; ``cell`` is the width of a step as a part of the axis' height."""
    for at, frame in enumerate(frames):
        rows, columns = frame.shape[:2]
        side = 0.94 * min(cell / columns, 1 / rows)
        half = 0.5 * side * columns / cell
        axis.imshow(
            frame, extent=(at - half, at + half, 0.0, side * rows), aspect="auto", interpolation="nearest"
        )
    axis.set_ylim(0, 1)
    axis.axis("off")


def _steps(axes: Sequence[Axes], words: Sequence[str], ends: Sequence[int], pictures: bool) -> None:
    for axis in axes:
        axis.set_xlim(-0.5, len(words) - 0.5)
        axis.set_xticks([])
    # The frames need no lines: they stand apart.
    for axis in axes[1:] if pictures else axes:
        for end in ends:
            axis.axvline(end + 0.5, color="#777777", linewidth=0.8)
    if pictures:
        axes[-1].set_xticks(range(len(words)), words, fontsize=8)
        axes[-1].set_xlabel("step")
    else:
        axes[-1].set_xticks(
            range(len(words)), words, rotation=60, ha="right", va="top", rotation_mode="anchor"
        )
        axes[-1].tick_params(axis="x", labelsize=8.5, pad=2)


def _head(
    figure: Any,
    lines: list[str],
    curves: Mapping[str, Any],
    others: int,
    spike_name: str | None,
    tall: float,
) -> None:
    from matplotlib.lines import Line2D

    y, bold = tall - 0.22, True
    for line in lines:
        if line == "\n":
            bold = False
            continue
        style = {"fontsize": 11, "fontweight": "bold"} if bold else {"fontsize": 8.5, "color": "#555555"}
        figure.text(0.1 / figure.get_figwidth(), y / tall, line, va="center", **style)
        y -= 0.2
    handles = [
        Line2D([], [], color=color, linestyle=line, marker=marker, markersize=3.5, label=name)
        for (color, line, marker), name in zip(LINES, curves, strict=False)
    ]
    if others:
        handles.append(Line2D([], [], color=OTHERS, linewidth=0.8, label="other answers"))
    if spike_name:
        handles.append(
            Line2D([], [], linestyle="", marker="o", color="black", markersize=3.5, label=spike_name)
        )
    figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0.1 / figure.get_figwidth(), y / tall),
        ncols=len(handles), fontsize=8.5, borderaxespad=0, borderpad=0,
    )  # fmt: skip


def _wrapped(text: str, width: float, letters_an_inch: float) -> list[str]:
    return textwrap.wrap(text, max(20, int(width * letters_an_inch)))
