"""IDX files, the format of MNIST (LeCun et al. 1998): a big-endian header, then the values."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.sources import WHOLE, read_bytes
from liafseq.tasks.storage.archive import MAX_FILE_BYTES

__all__ = ["decode_idx", "gunzip", "idx_pairs", "is_idx", "labels_beside", "read_idx"]

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""The types by their code, the third byte of a file."""


def is_idx(path: Path) -> bool:
    """Whether the name is that of an IDX file: MNIST's ``-idx3-ubyte``, or ``.idx``; gzipped or not.

    >>> [is_idx(Path(name)) for name in ("train-images-idx3-ubyte.gz", "a.IDX", "train.npz")]
    [True, True, False]
    """
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(("-ubyte", ".idx"))


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array of an IDX file, gzipped or not.

    Returns:
        An array of the shape and the type that the header says, in the machine's byte order.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no IDX file, or one with another number of bytes than its header says.
    """
    path = Path(path)
    data = read_bytes(path)
    return decode_idx(gunzip(data, path) if data[:2] == b"\x1f\x8b" else data, path)


def gunzip(data: bytes, name: object, most: int = MAX_FILE_BYTES) -> bytes:
    """What a gzip file holds; ValueError for a damaged one, and for more than ``most`` bytes."""
    found = bytearray()
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            # in pieces, so that no more is allocated than there is
            while len(found) <= most and (piece := stream.read(2**20)):
                found += piece
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{name}: not a readable gzip file: {error}") from None
    if len(found) > most:
        raise ValueError(f"{name}: unpacks to more than {most} bytes; expected at most as many")
    return bytes(found)


def decode_idx(data: bytes, name: object) -> NDArray[Any]:
    """The array of the content of an IDX file.

    Args:
        data: two zeros, the type's code, the number of dimensions, each of them in four bytes; the values.
        name: of the file, for errors.

    >>> decode_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7]), "labels")
    array([5, 7], dtype=uint8)
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES or data[3] == 0:
        raise ValueError(
            f"{name}: byte 0: expected the head of an IDX file, two zeros, a type of "
            f"{', '.join(map(hex, TYPES))} and a number of dimensions; got {data[:4].hex(' ')!r}"
        )
    kind, dimensions = np.dtype(TYPES[data[2]]), data[3]
    begin = 4 + 4 * dimensions
    if len(data) < begin:
        raise ValueError(f"{name}: byte 4: expected {dimensions} sizes of 4 bytes, got {len(data) - 4} bytes")
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    # Python's numbers: numpy's product would overflow
    expected = kind.itemsize
    for size in shape:
        expected *= size
    if len(data) - begin != expected:
        raise ValueError(
            f"{name}: byte {begin}: expected {expected} bytes of values, as its header says "
            f"({' x '.join(map(str, shape))}), got {len(data) - begin}"
        )
    try:
        values = np.frombuffer(data, kind, offset=begin).reshape(shape)
    except ValueError as error:  # more dimensions than numpy has
        raise ValueError(f"{name}: {error}") from None
    return values.astype(kind.newbyteorder("="))


def idx_pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The files of images and of their labels in a folder, by part: ``train`` and ``test``, or ``whole``.

    Named as MNIST's: ``train-images-idx3-ubyte`` beside ``train-labels-idx1-ubyte``, ``t10k-...`` or
    ``test-...``; a pair alone is all data. Nothing where there are no such files.

    Raises:
        FileNotFoundError: images without labels.
        ValueError: two files that could be the same part.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for images in sorted(path for path in folder.iterdir() if "images" in path.name and is_idx(path)):
        part = "train" if images.name.lower().startswith("train") else "test"
        if part in found:
            raise ValueError(
                f"{folder}: {found[part][0].name} and {images.name} could both be the {part} part"
            )
        found[part] = images, labels_beside(images)
    if len(found) == 1:
        return {WHOLE: next(iter(found.values()))}
    return found


def labels_beside(images: Path) -> Path:
    """The file of the labels of MNIST's images, gzipped or not; FileNotFoundError where there is none."""
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for path in (images.with_name(name), images.with_name(f"{name}.gz")):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{images}: expected its labels beside it, {name}")
