"""What an event is, as a numpy structured array, and what a set of recordings is."""

from __future__ import annotations

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


def check_events(events: NDArray[Any], sensor: Sensor, where: str) -> None:
    """Sees that events lie on the sensor and that time does not run backwards.

    Raises:
        ValueError: with ``where``, the number of the first wrong event (from 0) and its value.
    """
    for axis, size in (("x", sensor.width), ("y", sensor.height)):
        wrong = (events[axis] < 0) | (events[axis] >= size)
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(
                f"{where}: event {at}: {axis} is {int(events[axis][at])}, outside the sensor of "
                f"{sensor.width} x {sensor.height} pixels"
            )
    back = np.diff(events["t"]) < 0
    if back.any():
        at = int(back.argmax()) + 1
        raise ValueError(
            f"{where}: event {at}: time runs backwards, from {int(events['t'][at - 1])} to "
            f"{int(events['t'][at])} microseconds"
        )
