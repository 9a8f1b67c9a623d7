"""AEDAT 4, through the package aedat."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events, make_events
from liafseq.tasks.dvs.formats.common import refuse_empty

__all__ = ["read_aedat4"]


def read_aedat4(path: str | os.PathLike[str], sensor: Sensor | None = None) -> NDArray[Any]:
    """Events of an AEDAT 4 file (tonic's copy of CIFAR10-DVS); needs the package aedat.

    The first stream of events, x and y as they are in the file.

    Raises:
        ImportError: the package aedat is not installed.
        ValueError: it cannot read the file; no events; outside the sensor; time runs backwards.
    """
    where = os.fspath(path)
    try:
        import aedat
    except ImportError as error:
        raise ImportError(f"{where}: reading AEDAT 4 needs the package aedat: pip install aedat") from error
    try:
        decoder = aedat.Decoder(where)
        streams = [number for number, kind in decoder.id_to_stream().items() if kind["type"] == "events"]
        packets = [packet["events"] for packet in decoder if streams and packet["stream_id"] == min(streams)]
    except FileNotFoundError:
        raise
    except Exception as error:  # the package does not say which it raises
        raise ValueError(f"{where}: not a readable AEDAT 4 file: {error}") from error
    raw = np.concatenate(packets) if packets else np.empty(0, EVENT)
    refuse_empty(len(raw), where, 0)
    t, x, y, p = (raw[name] for name in raw.dtype.names or ())
    events = make_events(x, y, t, p)
    check_events(events, sensor, where)
    return events
