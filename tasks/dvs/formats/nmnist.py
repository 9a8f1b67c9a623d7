"""N-MNIST and N-Caltech101: 40 bits an event."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events
from liafseq.tasks.dvs.formats.common import CHUNK, refuse_empty, warn_truncated

__all__ = ["decode_nmnist"]

SIZE = 5
OVERFLOW_ROW = 240
OVERFLOW_STEP = 2**13


def decode_nmnist(data: bytes, where: str, sensor: Sensor | None = None) -> NDArray[Any]:
    """Events of Orchard's ``.bin`` files.

    An event is five bytes: x, y, and 24 bits of which the first is the polarity (1: brighter) and
    the others are the time in microseconds, the most significant first. An event of row 240 is no
    event of a pixel: from there on 2**13 microseconds are added to all times, as the authors'
    reader and tonic's ``read_mnist_file`` do.

    Orchard et al., Converting static image datasets to spiking neuromorphic datasets using
    saccades, 2015, doi:10.3389/fnins.2015.00437.

    Args:
        data: the content of the file.
        where: its name, for messages.
        sensor: its size; without one, any column and row is accepted.

    Returns:
        dtype :data:`~liafseq.tasks.dvs.events.EVENT`, (events,).

    Raises:
        ValueError: no events; outside the sensor; time runs backwards; with file and byte.

    >>> decode_nmnist(bytes([3, 4, 0x80, 0x01, 0x02]), "a.bin").tolist()
    [(3, 4, 258, True)]
    """
    count, left = divmod(len(data), SIZE)
    events = np.empty(count, EVENT)
    # Row, polarity and time at one stroke: the last four bytes of each event as one big-endian number.
    words = np.ndarray(count, ">u4", data, 1, (SIZE,)) if count else np.empty(0, ">u4")
    columns = np.frombuffer(data, np.uint8)[: count * SIZE : SIZE]
    for begin in range(0, count, CHUNK):
        chunk = slice(begin, begin + CHUNK)
        word = words[chunk].astype(np.uint32)
        events["x"][chunk] = columns[chunk]
        events["y"][chunk] = word >> 24
        events["t"][chunk] = word & 0x7FFFFF
        events["p"][chunk] = word & 0x800000
    overflow = events["y"] == OVERFLOW_ROW
    kept: NDArray[np.bool_] | None = None
    if overflow.any():
        events["t"] += OVERFLOW_STEP * np.cumsum(overflow)
        kept = ~overflow
        events = events[kept]
    if left:
        warn_truncated(where, count * SIZE, SIZE, len(events))
    refuse_empty(len(events), where, 0)

    def offset_of(index: int) -> int:
        return SIZE * (index if kept is None else int(np.flatnonzero(kept)[index]))

    check_events(events, sensor, where, offset_of)
    return events
