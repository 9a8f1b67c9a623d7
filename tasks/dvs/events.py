"""What an event is, as a numpy structured array, and what a set of recordings is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["EVENT", "Recordings", "Sensor", "check_events", "make_events"]

EVENT = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
"""An event: column, row, time in microseconds, and whether the light became brighter; as tonic has it."""


class Sensor(NamedTuple):
    """The size of a camera's pixel array."""

    width: int
    height: int


class Recordings(Protocol):
    """The recordings of one split of a data set; read when they are asked for."""

    name: str
    sensor: Sensor
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    """The class of each recording, (number of recordings,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> NDArray[Any]:
        """The events of a recording, of dtype :data:`EVENT`."""
        ...

    def title(self, index: int) -> str:
        """What to call a recording in a message: its file, or the data set and a number."""
        ...


def make_events(x: ArrayLike, y: ArrayLike, t: ArrayLike, p: ArrayLike) -> NDArray[Any]:
    """One structured array out of four of equal length.

    >>> make_events([1, 2], [3, 4], [10, 20], [True, False])["t"]
    array([10, 20])
    """
    columns = [np.asarray(column) for column in (x, y, t, p)]
    events = np.empty(len(columns[0]), EVENT)
    for name, column in zip("xytp", columns, strict=True):
        if column.shape != (len(events),):
            raise ValueError(f"{name} should have shape ({len(events)},), got {column.shape}")
        events[name] = column
    return events


def check_events(
    events: NDArray[Any],
    sensor: Sensor | None,
    where: str,
    offset_of: Callable[[int], int] | None = None,
) -> None:
    """Sees that events lie on the sensor and that time does not run backwards.

    Args:
        events: of dtype :data:`EVENT`.
        sensor: without one only the times are looked at.
        where: what the message begins with: the file, or the name of the recording.
        offset_of: where an event (counted from 0) begins in its file; the message then tells.

    Raises:
        ValueError: with ``where``, the byte if known, the number of the first wrong event and its value.
    """

    def at(index: int) -> str:
        byte = "" if offset_of is None else f"byte {offset_of(index)}: "
        return f"{where}: {byte}event {index}: "

    if len(events) == 0:
        return
    for axis, size in () if sensor is None else (("x", sensor.width), ("y", sensor.height)):
        values = events[axis]
        if values.min() < 0 or values.max() >= size:
            index = int(((values < 0) | (values >= size)).argmax())
            raise ValueError(
                f"{at(index)}{axis} is {int(values[index])}, outside the sensor of "
                f"{sensor.width} x {sensor.height} pixels"  # type: ignore[union-attr]
            )
    times = events["t"]
    back = times[1:] < times[:-1]
    if back.any():
        index = int(back.argmax()) + 1
        raise ValueError(
            f"{at(index)}time runs backwards, from {int(times[index - 1])} to "
            f"{int(times[index])} microseconds"
        )
