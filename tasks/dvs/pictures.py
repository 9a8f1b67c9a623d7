"""A recording as a picture and as numbers."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["describe", "recording_picture", "recordings_picture"]

# Okabe and Ito's blue and vermilion, which colour-blind readers tell apart; white is no event.
ON, OFF = (0.0, 114 / 255, 178 / 255), (213 / 255, 94 / 255, 0.0)
_TEXT = "#333333"
_MOST_STEPS = 64
_COLUMNS = 16
# sizes in dots
_DPI, _SIDE, _GAP, _MARGIN, _TITLE, _LABEL, _RATE = 100, 128, 6, 44, 26, 22, 110


def recording_picture(
    events: NDArray[Any], sensor: Sensor, title: str, *, steps: int = 8, rate: bool = True
) -> bytes:
    """A recording as a row of event frames of equal time, with the event rate below.

    Args:
        events: of dtype :data:`~liafseq.tasks.dvs.events.EVENT`.
        sensor: the size of the camera.
        title: stands above the row.
        steps: how many frames; 1 to 64.
        rate: whether to draw the rate of ON and OFF events over time.

    Returns:
        A PNG file. ON events are blue, OFF events orange, the more events the darker.

    Raises:
        TypeError, ValueError: no such events, events outside the sensor, or ``steps`` out of range.
    """
    return recordings_picture([(events, title)], sensor, steps=steps, rate=rate)


def recordings_picture(
    recordings: Sequence[tuple[NDArray[Any], str]], sensor: Sensor | Sequence[Sensor], *,
    steps: int = 8, rate: bool = False,
) -> bytes:  # fmt: skip
    """Several recordings below one another, each as :func:`recording_picture` shows one.

    Args:
        recordings: pairs of events and title; at least one.
        sensor: the camera's size, or one for each recording.
        steps, rate: as in :func:`recording_picture`.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from liafseq.tasks.report.style import STYLE

    if isinstance(steps, bool) or not isinstance(steps, int | np.integer):
        raise TypeError(f"steps must be a whole number, got {steps!r}")
    if not 1 <= steps <= _MOST_STEPS:
        raise ValueError(f"steps must be from 1 to {_MOST_STEPS}, got {steps}")
    if len(recordings) == 0:
        raise ValueError("recordings must not be empty")
    sensors = [sensor] * len(recordings) if isinstance(sensor, Sensor) else list(sensor)
    if len(sensors) != len(recordings):
        raise ValueError(f"got {len(sensors)} sensors for {len(recordings)} recordings")
    for (events, title), own in zip(recordings, sensors, strict=True):
        _check(events, own, title)

    rows = -(-steps // _COLUMNS)
    columns = -(-steps // rows)
    # in dots, and a whole number of them a pixel, so that all pixels look the same
    tiles = [_tile(own) for own in sensors]
    wide = max(_MARGIN + columns * (tile[0] + _GAP) for tile in tiles) + _GAP
    heights = [_TITLE + rows * (tile[1] + _LABEL) + (_RATE if rate else 0) for tile in tiles]
    style: Any = {**STYLE, "font.size": 8}
    with rc_context(style):
        figure = Figure(figsize=(wide / _DPI, (sum(heights) + _GAP) / _DPI), dpi=_DPI)

        def place(left: float, top: float, width: float, height: float) -> Axes:
            tall = sum(heights) + _GAP
            return figure.add_axes((left / wide, 1 - (top + height) / tall, width / wide, height / tall))

        top = 0.0
        for (events, title), own, tile, height in zip(recordings, sensors, tiles, heights, strict=True):
            axis = place(_MARGIN, top, columns * (tile[0] + _GAP) - _GAP, _TITLE)
            axis.set_axis_off()
            axis.text(0, 0.42, title, fontsize=9.5, color=_TEXT, va="center", parse_math=False)
            if top == 0 and columns > 2:
                axis.text(1, 0.42, "OFF: darker", fontsize=8, color=OFF, va="center", ha="right")
                aside = 1 - 74 / (columns * (tile[0] + _GAP))
                axis.text(aside, 0.42, "ON: brighter", fontsize=8, color=ON, va="center", ha="right")
            frames = _frames(events, own, steps)
            for at, (image, span) in enumerate(frames):
                line, column = divmod(at, columns)
                left = _MARGIN + column * (tile[0] + _GAP)
                axis = place(left, top + _TITLE + line * (tile[1] + _LABEL), *tile)
                _draw(axis, image, span)
            if rate:
                below = top + _TITLE + rows * (tile[1] + _LABEL)
                _rate(place(_MARGIN, below + 12, columns * (tile[0] + _GAP) - _GAP, _RATE - 44), events)
            top += height
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def describe(events: NDArray[Any], sensor: Sensor) -> dict[str, int | float]:
    """A recording in numbers.

    Returns:
        ``events``; ``duration_ms`` from the first event to the last; ``events_per_ms``; ``on_share``,
        the part of the events that are ON; ``active_pixels``, pixels with at least one event, and
        ``active_share``, their part of the sensor; ``events_per_active_pixel``; and of the events of the
        busiest pixel, ``most_events_of_a_pixel``. Shares and rates of an empty recording are 0.

    Raises:
        TypeError, ValueError: no such events, or events outside the sensor.

    >>> from liafseq.tasks.dvs.events import make_events
    >>> events = make_events([0, 0, 3], [1, 1, 1], [0, 1000, 4000], [True, True, False])
    >>> numbers = describe(events, Sensor(4, 2))
    >>> numbers["events"], numbers["duration_ms"], numbers["active_pixels"], numbers["active_share"]
    (3, 4.0, 2, 0.25)
    """
    _check(events, sensor, "events")
    count = len(events)
    duration = float(events["t"][-1] - events["t"][0]) / 1000 if count else 0.0
    pixel = events["y"].astype(np.int64) * sensor.width + events["x"]
    _, often = np.unique(pixel, return_counts=True)
    return {
        "events": count,
        "duration_ms": duration,
        "events_per_ms": count / duration if duration > 0 else 0.0,
        "on_share": float(events["p"].mean()) if count else 0.0,
        "active_pixels": len(often),
        "active_share": len(often) / (sensor.width * sensor.height),
        "events_per_active_pixel": count / len(often) if count else 0.0,
        "most_events_of_a_pixel": int(often.max()) if count else 0,
    }


def _check(events: NDArray[Any], sensor: Sensor, where: str) -> None:
    if not isinstance(events, np.ndarray) or events.dtype != EVENT or events.ndim != 1:
        kind = f"{events.dtype} of shape {events.shape}" if isinstance(events, np.ndarray) else type(events)
        raise TypeError(f"{where}: events must be an array of dtype EVENT, (events,), got {kind}")
    if min(sensor) < 1:
        raise ValueError(f"{where}: the sensor must have pixels, got {sensor.width} x {sensor.height}")
    check_events(events, sensor, where)


def _tile(sensor: Sensor) -> tuple[int, int]:
    """Width and height of an event frame in dots."""
    block = _block(sensor)
    width, height = -(-sensor.width // block), -(-sensor.height // block)
    dots = max(1, round(_SIDE / max(width, height)))
    return max(width * dots, _SIDE // 2), max(height * dots, _SIDE // 4)


def _block(sensor: Sensor) -> int:
    """Of a large sensor, squares of so many pixels are drawn as one."""
    return -(-max(sensor) // (2 * _SIDE))


def _frames(events: NDArray[Any], sensor: Sensor, steps: int) -> list[tuple[NDArray[Any], str]]:
    """An image (height, width, 3) and the time of each step."""
    block = _block(sensor)
    width, height = -(-sensor.width // block), -(-sensor.height // block)
    time = events["t"] - events["t"][:1]
    length = int(time[-1]) + 1 if len(time) else 1
    edges = length * np.arange(steps + 1) / steps
    step = np.minimum(np.searchsorted(edges, time, side="right") - 1, steps - 1)
    x, y = events["x"].astype(np.int64) // block, events["y"].astype(np.int64) // block
    shape = (steps, 2, height, width)
    where = ((step * 2 + events["p"]) * height + y) * width + x
    counts = np.bincount(where, minlength=math.prod(shape)).reshape(shape)
    total = counts.sum(1)
    # full colour from a usual busy pixel on: a few very busy ones must not pale the rest
    full = max(2.0, float(np.percentile(total[total > 0], 90))) if total.any() else 1.0
    found = []
    for (off, on), left, right in zip(counts, edges, edges[1:], strict=False):
        both = (off + on)[..., None]
        part = np.where(both > 0, on[..., None] / np.maximum(both, 1), 0.0)
        colour = part * np.array(ON) + (1 - part) * np.array(OFF)
        strength = np.minimum(both / full, 1.0) ** 0.6
        found.append((1 - strength * (1 - colour), f"{left / 1000:.0f} to {right / 1000:.0f} ms"))
    return found


def _draw(axis: Axes, image: NDArray[Any], span: str) -> None:
    axis.imshow(image, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set(visible=True, color="#cccccc", linewidth=0.6)
    axis.set_xlabel(span, labelpad=2, fontsize=7)


def _rate(axis: Axes, events: NDArray[Any]) -> None:
    if len(events) == 0:
        axis.text(0.5, 0.5, "no events", transform=axis.transAxes, ha="center", va="center", color=_TEXT)
        axis.set_axis_off()
        return
    time = (events["t"] - events["t"][0]) / 1000
    edges = np.linspace(0, max(float(time[-1]), 1e-3), 101)
    width = edges[1] - edges[0]
    for polarity, colour, name in ((True, ON, "ON"), (False, OFF, "OFF")):
        counts, _ = np.histogram(time[events["p"] == polarity], edges)
        axis.stairs(counts / width, edges, color=colour, linewidth=1.0, label=name)
    axis.set_xlim(0, edges[-1])
    axis.set_ylim(bottom=0)
    axis.set_xlabel("ms", labelpad=1)
    axis.set_ylabel("events / ms")
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 0.9), ncols=2, fontsize=7, borderpad=0)
