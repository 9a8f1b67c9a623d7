"""Events as arrays: numpy's .npy and .npz, and HDF5, as tonic and others store them."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events
from liafseq.tasks.dvs.formats.common import refuse_empty, warn_truncated

__all__ = ["MAX_RATIO", "decode_npy", "decode_npz", "read_hdf5"]

MAX_RATIO = 64
"""How many times larger than its file compressed content may be; recordings shrink to a tenth at best."""

_SLACK = 2**20
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def decode_npy(
    data: bytes,
    where: str,
    sensor: Sensor | None = None,
    *,
    columns: str | None = None,
    tick: int = 1,
) -> NDArray[Any]:
    """Events of a ``.npy`` file, without pickle.

    Args:
        data: the content of the file.
        where: its name, for messages.
        sensor: its size; without one, any column and row is accepted.
        columns: what the columns of a plain array (events, 4) are, a permutation of ``"xytp"``. Not
            needed for structured arrays with the fields x, y, t, p (others are left out).
        tick: microseconds in a unit of time of the file.

    Returns:
        dtype :data:`~liafseq.tasks.dvs.events.EVENT`, (events,).

    Raises:
        ValueError: not such an array; numbers that are no coordinates, times or polarities; no events;
            outside the sensor; time runs backwards; with file and, where there is one, byte.
    """
    array, begin, whole = _npy(data, where)
    events = _events(_fields(array, where, columns), where, tick)
    if not whole:
        warn_truncated(where, begin + array.nbytes, array.dtype.itemsize * _width(array), len(events))
    refuse_empty(len(events), where, begin)
    step = array.dtype.itemsize * _width(array) if array.flags.c_contiguous else None
    check_events(events, sensor, where, None if step is None else lambda index: begin + step * index)
    return events


def decode_npz(
    data: bytes, where: str, sensor: Sensor | None = None, *, columns: str | None = None, tick: int = 1
) -> NDArray[Any]:
    """Events of a ``.npz`` file: arrays x, y, t and p, as SpikingJelly has them, or one array of events.

    Arguments, result and errors are those of :func:`decode_npy`; also a ValueError if the content is
    more than ``MAX_RATIO`` times as large as the file. A file that is cut off cannot be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            names = {info.filename[:-4]: info for info in members}
            wanted = list("xytp") if set("xytp") <= names.keys() else list(names)
            if len(wanted) != 4 and len(wanted) != 1:
                raise ValueError(f"expected arrays x, y, t and p, or one of events; found {_list(names)}")
            limit = MAX_RATIO * len(data) + _SLACK
            total = sum(names[name].file_size for name in wanted)
            if total > limit:
                raise ValueError(f"{total} bytes in {len(data)} bytes; at most {limit} are read")
            arrays = {}
            for name in wanted:
                # zipfile reads no more than the size that it was told, which is checked above.
                content = archive.read(names[name])
                arrays[name], _, whole = _npy(content, name)
                if not whole:
                    raise ValueError(f"{name}: byte {len(content)}: the array is cut off")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(f"{where}: not a readable .npz file: {error or type(error).__name__}") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    fields = _fields(next(iter(arrays.values())), where, columns) if len(arrays) == 1 else arrays
    events = _events(fields, where, tick)
    refuse_empty(len(events), where, 0)
    check_events(events, sensor, where)
    return events


def read_hdf5(path: str | os.PathLike[str], sensor: Sensor | None = None, *, tick: int = 1) -> NDArray[Any]:
    """Events of an HDF5 file; needs h5py.

    Looked for, in this order: tonic's cached recordings (``data/0``), ``events``, or x, y, t, p at the
    root; each as one structured data set or as a group with the data sets x, y, t and p.

    Arguments, result and errors are those of :func:`decode_npy`.

    Raises:
        ImportError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{os.fspath(path)}: reading HDF5 needs h5py: pip install h5py") from error

    where = os.fspath(path)
    limit = MAX_RATIO * Path(path).stat().st_size + _SLACK

    def content(place: Any) -> NDArray[Any]:
        if not isinstance(place, h5py.Dataset) or place.external or place.is_virtual:
            raise ValueError(f"{where}: {place.name}: expected a data set in this file")
        if place.size is None or place.size * place.dtype.itemsize > limit:
            raise ValueError(f"{where}: {place.name}: more than {limit} bytes, or none")
        return np.asarray(place[()])

    def inside(group: Any, name: str) -> Any:
        # Never into another file.
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        return group[name] if isinstance(link, h5py.HardLink) else None

    try:
        with h5py.File(path, "r") as file:
            place = inside(inside(file, "data"), "0") or inside(file, "events") or file
            if isinstance(place, h5py.Group):
                found = {name: inside(place, name) for name in "xytp"}
                missing = [name for name, field in found.items() if field is None]
                if missing:
                    raise ValueError(
                        f"{where}: {place.name}: no {_list(missing)}; expected data sets x, y, t, p "
                        f"in /data/0, /events or /"
                    )
                fields: Mapping[str, NDArray[Any]] = {name: content(field) for name, field in found.items()}
            else:
                fields = _fields(content(place), where, None)
    except (OSError, KeyError, RuntimeError, TypeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{where}: not a readable HDF5 file: {error}") from error
    events = _events(fields, where, tick)
    refuse_empty(len(events), where, 0)
    check_events(events, sensor, where)
    return events


def _list(names: Any) -> str:
    shown = [name[:20] for name in list(names)[:8]]
    return ", ".join(shown) or "none"


def _width(array: NDArray[Any]) -> int:
    return int(np.prod(array.shape[1:], dtype=np.int64))


def _npy(data: bytes, where: str) -> tuple[NDArray[Any], int, bool]:
    """The array, the byte at which it begins, and whether it is all there; a view of the data."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of .npy")
        shape, fortran, dtype = _HEADERS[version](stream)
    except Exception as error:  # numpy does not say what reading a header may raise
        raise ValueError(f"{where}: byte 0: not a .npy file: {str(error)[:200]}") from error
    begin = stream.tell()
    if dtype.hasobject or dtype.itemsize == 0 or not shape or min(shape) < 0 or shape[1:] not in ((), (4,)):
        raise ValueError(f"{where}: byte 0: an array {shape} of {dtype}; expected events")
    width = 4 if len(shape) == 2 else 1
    rows = min(shape[0], (len(data) - begin) // (dtype.itemsize * width))
    whole = rows == shape[0]
    if fortran and len(shape) == 2:
        if not whole:
            raise ValueError(f"{where}: byte {len(data)}: the array is cut off")
        flat = np.frombuffer(data, dtype, rows * width, begin)
        return flat.reshape(width, rows).T, begin, True
    return np.frombuffer(data, dtype, rows * width, begin).reshape(rows, *shape[1:]), begin, whole


def _fields(array: NDArray[Any], where: str, columns: str | None) -> Mapping[str, NDArray[Any]]:
    names = array.dtype.names or ()
    if set("xytp") <= set(names) and array.ndim == 1:
        return {name: array[name] for name in "xytp"}
    if not names and array.ndim == 2 and array.shape[1] == 4 and columns is not None:
        if sorted(columns) != sorted("xytp"):
            raise ValueError(f"columns should be 'x', 'y', 't' and 'p' in some order, got {columns!r}")
        return {name: array[:, index] for index, name in enumerate(columns)}
    expected = (
        "(events,) with the fields x, y, t, p" if columns is None else f"(events, 4) of {', '.join(columns)}"
    )
    raise ValueError(f"{where}: an array {array.shape} of {str(array.dtype)[:200]}; expected {expected}")


def _events(fields: Mapping[str, NDArray[Any]], where: str, tick: int) -> NDArray[Any]:
    count = len(fields["t"]) if fields["t"].ndim else 0
    events = np.empty(count, EVENT)
    limits = {"x": (0, 2**15 - 1), "y": (0, 2**15 - 1), "t": (-(2**62) // tick, 2**62 // tick), "p": (-1, 1)}
    for name, (least, most) in limits.items():
        field = fields[name]
        if field.shape != (count,) or field.dtype.kind not in "iubf":
            raise ValueError(
                f"{where}: {name}: {field.shape} of {field.dtype}; expected ({count},) of whole numbers"
            )
        if count == 0:
            continue
        # Comparisons with NaN are false.
        if not (field.min() >= least and field.max() <= most):
            wrong = int((~((field >= least) & (field <= most))).argmax())
            raise ValueError(f"{where}: event {wrong}: {name} is {field[wrong]}, expected {least} to {most}")
        if field.dtype.kind == "f" and (field % 1).any():
            wrong = int((field % 1 != 0).argmax())
            raise ValueError(f"{where}: event {wrong}: {name} is {field[wrong]}, expected a whole number")
        events[name] = field > 0 if name == "p" else field
    if tick != 1:
        events["t"] *= tick
    return events
