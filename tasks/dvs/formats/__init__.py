"""Files of events: N-MNIST, AEDAT 1.0 to 3.1, numpy's arrays and HDF5; AEDAT 4 through a package.

``read_events`` finds the format out. The readers need numpy alone, except where they say so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from liafseq.tasks.dvs.events import Sensor
from liafseq.tasks.dvs.formats.aedat2 import Backwards, decode_aedat2
from liafseq.tasks.dvs.formats.aedat3 import Cut, decode_aedat3, parse_cuts
from liafseq.tasks.dvs.formats.aedat4 import read_aedat4
from liafseq.tasks.dvs.formats.arrays import decode_npy, decode_npz, read_hdf5
from liafseq.tasks.dvs.formats.common import TruncatedWarning, check_file, read_file
from liafseq.tasks.dvs.formats.nmnist import decode_nmnist

__all__ = [
    "FORMATS",
    "Backwards",
    "Cut",
    "TruncatedWarning",
    "decode_aedat2",
    "decode_aedat3",
    "decode_events",
    "decode_nmnist",
    "decode_npy",
    "decode_npz",
    "find_format",
    "parse_cuts",
    "read_aedat4",
    "read_events",
    "read_file",
    "read_hdf5",
]

FORMATS = ("nmnist", "aedat1", "aedat2", "aedat3", "aedat4", "npy", "npz", "hdf5")
"""The names of the formats."""

_DECODERS: dict[str, Callable[[bytes, str, Sensor | None], NDArray[Any]]] = {
    "nmnist": decode_nmnist,
    "aedat1": lambda data, where, sensor: decode_aedat2(data, where, sensor, version=1),
    "aedat2": lambda data, where, sensor: decode_aedat2(data, where, sensor, version=2),
    "aedat3": decode_aedat3,
    "npy": decode_npy,
    "npz": decode_npz,
}
_FILES: dict[str, Callable[[str, Sensor | None], NDArray[Any]]] = {
    "aedat4": read_aedat4,
    "hdf5": read_hdf5,
}
_MAGIC = {
    b"#!AER-DAT1.": "aedat1",
    b"#!AER-DAT2.": "aedat2",
    b"#!AER-DAT3.": "aedat3",
    b"#!AER-DAT4.": "aedat4",
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "npz",
    b"\x89HDF\r\n\x1a\n": "hdf5",
}


def find_format(name: str, begin: bytes) -> str:
    """The format of a file, from its first bytes, or, for N-MNIST, which has no mark, its name.

    Raises:
        ValueError: neither is known.

    >>> find_format("00042.bin", b"\\x10\\x1e"), find_format("a.aedat", b"#!AER-DAT3.1\\r\\n")
    ('nmnist', 'aedat3')
    """
    for magic, form in _MAGIC.items():
        if begin.startswith(magic):
            return form
    if name.lower().endswith(".bin"):
        return "nmnist"
    hint = " (an AEDAT file without a line '#!AER-DAT' is read as format 'aedat1')"
    raise ValueError(
        f"{name}: byte 0: no known format of events: begins with {begin[:12]!r}; known: {', '.join(FORMATS)}"
        f"{hint if name.lower().endswith(('.aedat', '.dat')) else ''}"
    )


def decode_events(
    data: bytes, where: str, format: str | None = None, sensor: Sensor | None = None
) -> NDArray[Any]:
    """As :func:`read_events`, of a file that is already in memory; ``where`` is its name."""
    form = _known(format) if format is not None else find_format(where, data[:16])
    if form not in _DECODERS:
        raise ValueError(f"{where}: format {form!r} is read from a file only")
    return _DECODERS[form](data, where, sensor)


def read_events(
    path: str | os.PathLike[str], format: str | None = None, sensor: Sensor | None = None
) -> NDArray[Any]:
    """The events of a recording.

    Args:
        path: the file.
        format: one of ``FORMATS``; found out from the file if not given.
        sensor: the size of the camera; without one, the coordinates are checked only as far as the
            format itself limits them.

    Returns:
        dtype :data:`~liafseq.tasks.dvs.events.EVENT`, (events,), at least one event, times in
        microseconds as recorded, not decreasing.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the format needs a package that is not installed.
        ValueError: not this format; coordinates outside the sensor; time runs backwards; no events; with
            file and byte.

    A last event that is cut off gives a :class:`TruncatedWarning`, and the whole events before it.
    """
    where = os.fspath(path)
    form = _known(format) if format is not None else None
    check_file(path)
    if form is None:
        with Path(path).open("rb") as file:
            form = find_format(where, file.read(16))
    if form in _FILES:
        return _FILES[form](where, sensor)
    return _DECODERS[form](read_file(path), where, sensor)


def _known(format: str) -> str:
    if format not in FORMATS:
        raise ValueError(f"format should be one of {', '.join(FORMATS)}, got {format!r}")
    return format
