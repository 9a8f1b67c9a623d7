"""Where generated recordings are kept: one file each set, whole or not at all, read with suspicion."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events
from liafseq.tasks.storage.files import write_atomic

__all__ = ["Stored", "read_stored", "write_stored"]

_DTYPES = {"events": EVENT, "offsets": np.dtype("<i8"), "labels": np.dtype("<i8")}


class Stored(NamedTuple):
    """Recordings one after the other."""

    events: NDArray[Any]
    """Of all recordings, dtype EVENT."""
    offsets: NDArray[np.int64]
    """Recording i is ``events[offsets[i] : offsets[i + 1]]``; (recordings + 1,)."""
    labels: NDArray[np.int64]
    """(recordings,)."""


def write_stored(path: Path, stored: Stored) -> None:
    """Writes an uncompressed ``.npz`` file, atomically; the same recordings make the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in zip(Stored._fields, stored, strict=True):
            # a ZipInfo of its own, because the default one holds the time of day
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    write_atomic(path, buffer.getvalue())


def read_stored(path: Path, sensor: Sensor, classes: int, count: int) -> Stored:
    """Reads what :func:`write_stored` wrote, and checks all of it.

    Args:
        path: the file.
        sensor: that the events must lie on.
        classes: how many there are.
        count: how many recordings the file must have.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or holds something else; with its name.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = path.stat().st_size
            arrays = [_array(archive, f"{name}.npy", _DTYPES[name], size) for name in Stored._fields]
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: damaged: {error}") from error
    stored = Stored(*arrays)
    _check(path, stored, sensor, classes, count)
    return stored


def _array(archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], most: int) -> NDArray[Any]:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"{name} is missing") from None
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f"{name} is compressed")
    if info.file_size > most:
        raise ValueError(f"{name} is larger than its file")
    data = archive.read(info)  # checks its checksum
    header = io.BytesIO(data)
    version = np.lib.format.read_magic(header)
    if version != (1, 0):
        raise ValueError(f"{name} has version {version}, not (1, 0)")
    shape, _, found = np.lib.format.read_array_header_1_0(header)
    if found != dtype or len(shape) != 1:
        raise ValueError(f"{name} has dtype {found} and shape {shape}")
    if header.tell() + math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{name} has {len(data)} bytes, which do not make its shape {shape}")
    return np.frombuffer(data, dtype, offset=header.tell())


def _check(path: Path, stored: Stored, sensor: Sensor, classes: int, count: int) -> None:
    events, offsets, labels = stored
    if len(labels) != count or len(offsets) != count + 1:
        raise ValueError(
            f"{path}: {len(labels)} labels and {len(offsets)} offsets, expected {count} recordings"
        )
    if offsets[0] != 0 or offsets[-1] != len(events) or (np.diff(offsets) < 0).any():
        raise ValueError(f"{path}: the offsets do not divide its {len(events)} events")
    if ((labels < 0) | (labels >= classes)).any():
        raise ValueError(f"{path}: a label outside 0 to {classes - 1}")
    # a polarity that is neither 0 nor 1 would be a bool that is neither
    if (events["p"].view(np.uint8) > 1).any():
        raise ValueError(f"{path}: a polarity that is neither 0 nor 1")
    for index in range(count):
        check_events(events[offsets[index] : offsets[index + 1]], sensor, f"{path}: recording {index}")
