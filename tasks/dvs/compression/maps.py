"""From events to a few steps: count frames, voxel grids, and spatio-temporal compression.

A recording becomes T maps of two channels, events of falling (0) and of rising light (1), the
sensor's pixels pooled by s x s blocks. With step boundaries e_0 < e_1 < ... < e_T, step k covers
[e_{k-1}, e_k), and an event at time t adds to the map of step k, at its block and channel,

    time, count   1 where the event lies in step k, else 0
    voxel         max(0, 1 - |k - 1 - (T - 1)(t - e_0) / (e_T - e_0)|), for steps of a fixed
                  duration max(0, 1 - |k - 1 - (t - e_0) / step|)
    synapse       the charge that its synaptic current exp(-(t' - t) / tau) / tau, t' >= t, brings
                  in during step k: 1 - exp(-(e_k - t) / tau) in its own step,
                  exp(-(e_{k-1} - t) / tau) (1 - exp(-(e_k - e_{k-1}) / tau)) in those that follow

The charges of an event add up to at most 1, and as tau goes to 0 they become the count of its own
step: count frames are the limit.

Sources: spatio-temporal compression and the synaptic current, Xu et al. 2022 (arXiv:2203.10006);
voxel grids, Zhu et al. 2019 (arXiv:1812.08156).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.compression import METHODS, Compression
from liafseq.tasks.dvs.events import Sensor

__all__ = ["METHODS", "Compression", "compress"]

_LARGEST = 2**28
"""Values of one compressed recording: a gigabyte; more is a mistake in the settings."""


def compress(events: NDArray[Any], sensor: Sensor, compression: Compression) -> NDArray[np.float32]:
    """The maps of one recording.

    Args:
        events: of dtype :data:`liafseq.tasks.dvs.events.EVENT`, sorted by time, on the sensor.
        sensor: its size.
        compression: how.

    Returns:
        (T, 2, height, width), float32. A recording without events gives empty maps, one step
        where T depends on the duration.

    Raises:
        ValueError: events outside the sensor, or maps of more than 2**28 values.

    >>> from liafseq.tasks.dvs.events import make_events
    >>> events = make_events([0, 1], [0, 0], [0, 99], [True, False])
    >>> compress(events, Sensor(2, 1), Compression(method="time", steps=2)).tolist()
    [[[[0.0, 0.0]], [[1.0, 0.0]]], [[[0.0, 1.0]], [[0.0, 0.0]]]]
    """
    height, width = compression.shape(sensor)
    time = events["t"] - (events["t"][0] if len(events) else 0)
    # The last event closes the recording, and lies inside it.
    duration = int(time[-1]) + 1 if len(events) else 1
    if compression.steps:
        steps, step = compression.steps, duration / compression.steps
    else:
        step = float(compression.step_us)
        steps = min(-(-duration // compression.step_us), compression.longest)
        if duration > steps * step:
            events = events[: np.searchsorted(time, steps * step)]
            time = time[: len(events)]
    shape = (steps, 2, height, width)
    if steps * 2 * height * width > _LARGEST:
        raise ValueError(
            f"compressed to {shape}: more than {_LARGEST} values; use fewer steps or a larger pool"
        )
    pixel = _pixels(events, sensor, compression.pool, width, height)
    if compression.method == "count":
        number = np.arange(len(events)) * steps // max(1, len(events))
        return _sums(number, pixel, None, shape)
    if compression.method == "voxel":
        place = time * ((steps - 1) / max(1, duration - 1)) if compression.steps else time / step
        first = np.minimum(place.astype(np.int64), steps - 1)
        rest = (place - first).astype(np.float32)
        # With one step more, for what belongs to the step after the last.
        shape = (steps + 1, *shape[1:])
        return (_sums(first, pixel, 1 - rest, shape) + _sums(first + 1, pixel, rest, shape))[:steps]
    number = np.minimum((time / step).astype(np.int64), steps - 1)
    maps = _sums(number, pixel, None, shape)
    if compression.method == "synapse":
        _through_synapse(maps, number, pixel, time, step, compression.tau_us)
    return maps


def _through_synapse(
    maps: NDArray[np.float32],
    number: NDArray[np.int64],
    pixel: NDArray[np.int64],
    time: NDArray[np.int64],
    step: float,
    tau: float,
) -> None:
    """Turns the counts of the steps into charges, in place."""
    # What the events of a step have not yet brought in at its end.
    left = _sums(number, pixel, np.exp((time - (number + 1) * step) / tau), maps.shape)
    fading = np.float32(np.exp(-step / tau))
    carried = np.zeros_like(maps[0])
    for now, rest in zip(maps, left, strict=True):
        now -= rest
        now += carried * (1 - fading)
        carried *= fading
        carried += rest


def _pixels(events: NDArray[Any], sensor: Sensor, pool: int, width: int, height: int) -> NDArray[np.int64]:
    """The place of each event in a step's maps, flattened."""
    x, y = events["x"].astype(np.int64), events["y"].astype(np.int64)
    for name, values, size in (("x", x, sensor.width), ("y", y, sensor.height)):
        if len(values) and not (values.min() >= 0 and values.max() < size):
            at = int(((values < 0) | (values >= size)).argmax())
            raise ValueError(
                f"event {at}: {name} is {values[at]}, outside the sensor of "
                f"{sensor.width} x {sensor.height} pixels"
            )
    if pool > 1:
        x //= pool
        y //= pool
    x += y * width
    x += events["p"] * (width * height)
    return x


def _sums(
    number: NDArray[np.int64], pixel: NDArray[np.int64], weights: NDArray[Any] | None, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    size = shape[1] * shape[2] * shape[3]
    sums = np.bincount(number * size + pixel, weights, shape[0] * size)
    return sums.astype(np.float32).reshape(shape)
