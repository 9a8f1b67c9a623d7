"""Numeric arrays of MATLAB's files of level 5 (version 5 to 7), which ``save`` writes.

Read here and not by ``scipy.io.loadmat``, which believes a file's sizes before it reads what they are of.
Format: MathWorks, MAT-File Format.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.sources import read_bytes
from liafseq.tasks.storage.archive import MAX_FILE_BYTES

__all__ = ["decode_mat", "read_mat"]

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC = range(6, 16)
_COMPLEX = 0x0800
_HEAD = 128


def read_mat(path: str | os.PathLike[str], names: Container[str]) -> dict[str, NDArray[Any]]:
    """Those numeric arrays of a file that it has; others are not read.

    Args:
        path: of level 5; not of level 7.3, which is HDF5.
        names: of the arrays.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file; an array that is not of real numbers; a size that is not that of the
            values; with the file.
    """
    return decode_mat(read_bytes(Path(path)), str(path), names)


def decode_mat(data: bytes, where: str, names: Container[str]) -> dict[str, NDArray[Any]]:
    """As :func:`read_mat`, of the content of a file that is called ``where``."""
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_HEAD])
    if order is None or struct.unpack(f"{order}H", data[124:126])[0] >> 8 != 1:
        raise ValueError(f"{where}: byte 124: expected the head of a MATLAB 5 file (save -v7 writes one)")
    found: dict[str, NDArray[Any]] = {}
    left = MAX_FILE_BYTES
    try:
        for kind, content in _elements(data[_HEAD:], order):
            if kind == _COMPRESSED:
                unpacked = zlib.decompressobj().decompress(content, left)
                left -= len(unpacked)
                if left <= 0:
                    raise ValueError(f"unpacks to {MAX_FILE_BYTES} bytes or more")
                inner = list(_elements(unpacked, order))
            else:
                inner = [(kind, content)]
            for kind, content in inner:
                if kind == _MATRIX:
                    found |= _array(content, order, names)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"{where}: not a readable MATLAB file: {error}") from None
    return found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The types and contents of the data elements that stand one after another."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError(f"{len(data) - at} bytes at the end; expected an element's tag of 8")
        kind, size = struct.unpack_from(f"{order}2I", data, at)
        if kind >> 16:  # type, size and content in 8 bytes
            kind, size, begin, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            begin = at + 8
            end = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        if begin + size > min(end, len(data)):
            raise ValueError(f"an element of {size} bytes in {len(data) - begin}")
        yield kind, data[begin : begin + size]
        at = end


def _array(data: bytes, order: str, names: Container[str]) -> dict[str, NDArray[Any]]:
    parts = _elements(data, order)
    flags, sizes, name = (next(parts, (0, b""))[1] for _ in range(3))
    called = name.decode("ascii", "replace")
    if called not in names:
        return {}
    if len(flags) != 8 or len(sizes) < 8 or len(sizes) % 4:
        raise ValueError(f"{called}: expected the flags and the sizes of an array")
    about = struct.unpack_from(f"{order}I", flags)[0]
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    kind, values = next(parts, (0, b""))
    if about & 0xFF not in _NUMERIC or about & _COMPLEX or kind not in _TYPES:
        raise ValueError(f"{called}: expected an array of real numbers")
    dtype = np.dtype(f"{order}{_TYPES[kind]}")
    if min(shape) < 1 or math.prod(shape) * dtype.itemsize != len(values):
        raise ValueError(f"{called}: sizes {shape} of {dtype}, but {len(values)} bytes")
    return {called: np.frombuffer(values, dtype).reshape(shape, order="F").astype(dtype.newbyteorder("="))}
