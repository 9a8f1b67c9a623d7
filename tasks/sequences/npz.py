"""Arrays of numpy's .npz files: no pickle, and no size is believed before it is checked."""

from __future__ import annotations

import io
import math
import os
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.sources import read_bytes
from liafseq.tasks.storage.archive import MAX_FILE_BYTES

__all__ = ["decode_npz", "read_npz"]

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(path: str | os.PathLike[str], names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Those arrays of a file that it has; others are not read.

    Args:
        path: written by ``numpy.savez`` or ``numpy.savez_compressed``.
        names: of the arrays.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file; arrays of Python objects; a header that says another size than there is;
            with the file and the array.
    """
    return decode_npz(read_bytes(Path(path)), str(path), names)


def decode_npz(data: bytes, where: str, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """As :func:`read_npz`, of the content of a file that is called ``where``."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            there = {info.filename: info for info in archive.infolist()}
            found = {name: there[f"{name}.npy"] for name in names if f"{name}.npy" in there}
            total = sum(info.file_size for info in found.values())
            if total > MAX_FILE_BYTES:
                raise ValueError(f"has {total} bytes of arrays; expected at most {MAX_FILE_BYTES}")
            return {name: _array(_member(archive, info), name) for name, info in found.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(f"{where}: not a readable .npz file: {error or type(error).__name__}") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    content = bytearray()
    with archive.open(info) as stream:
        # in pieces, so that no more is allocated than there is
        while piece := stream.read(2**20):
            content += piece
    return bytes(content)


def _array(data: bytes, where: str) -> NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"version {version}")
        shape, fortran, dtype = _HEADERS[version](stream)
    except Exception as error:  # numpy does not say what reading a header may raise
        raise ValueError(f"{where}: not an array of numpy: {str(error)[:200]}") from None
    if dtype.hasobject or dtype.names or dtype.kind not in "biufSU" or min(shape, default=0) < 0:
        raise ValueError(f"{where}: expected an array of numbers or texts, got {shape} of {str(dtype)[:50]}")
    begin, expected = stream.tell(), math.prod(shape) * dtype.itemsize
    if len(data) - begin != expected:
        raise ValueError(
            f"{where}: expected {expected} bytes, as its header says ({shape} of {dtype}), "
            f"got {len(data) - begin}"
        )
    if not expected:
        raise ValueError(f"{where}: is empty, {shape} of {dtype}")
    try:
        values = np.frombuffer(data, dtype, offset=begin).reshape(shape, order="F" if fortran else "C")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return values.astype(dtype.newbyteorder("="))
