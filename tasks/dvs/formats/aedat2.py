"""AEDAT 1.0 and 2.0, as jAER records them, with the addresses of a DVS128.

iniVation's description: https://docs.inivation.com/software/software-advanced-usage/file-formats/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events
from liafseq.tasks.dvs.formats.common import CHUNK, refuse_empty, warn_truncated

__all__ = ["DVS128", "Backwards", "Convention", "decode_aedat2", "read_header"]

DVS128 = Sensor(128, 128)

Convention = Literal["jaer", "raw"]

Backwards = Literal["error", "continue"]

_VERSION = re.compile(rb"#!AER-DAT(\d+)\.(\d+)\s*$")
_RECORDS = {
    1: np.dtype([("address", ">u2"), ("t", ">u4")]),
    2: np.dtype([("address", ">u4"), ("t", ">u4")]),
}
# An external event: bit 15, and in jAER's 32 bit addresses also the last bit.
_SPECIAL = np.uint32(0x80008000)
_FOREIGN = np.uint32(0x7FFF0000)
# Text has no control characters other than tabulators and the ends of lines.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def read_header(data: bytes, where: str) -> tuple[tuple[int, int] | None, int]:
    """The version that the header of an AEDAT file names, and the byte at which the header ends.

    Header lines begin with ``#`` and end with a line feed. Data may begin with the byte of ``#``
    too (in AEDAT 1.0, where the first event lies in row 35): a line with control characters is data.

    Returns:
        ((major, minor), byte); None for the version if no line tells it.

    Raises:
        ValueError: the file ends inside the header.

    >>> read_header(b"#!AER-DAT2.0\\r\\n# more\\r\\n\\x00\\x00", "a.aedat")
    ((2, 0), 22)
    """
    version = None
    begin = 0
    while data[begin : begin + 1] == b"#":
        end = data.find(b"\n", begin)
        line = data[begin : end if end >= 0 else len(data)]
        if _CONTROL.search(line):
            break
        if end < 0:
            raise ValueError(f"{where}: byte {begin}: the file ends inside a line of its header")
        begin = end + 1
        found = _VERSION.match(line)
        if found and len(found[1]) < 10 and len(found[2]) < 10:
            version = int(found[1]), int(found[2])
        if line.startswith(b"#!END-HEADER"):
            break
    return version, begin


def decode_aedat2(
    data: bytes,
    where: str,
    sensor: Sensor | None = None,
    *,
    version: Literal[1, 2] | None = None,
    convention: Convention = "jaer",
    backwards: Backwards = "error",
) -> NDArray[Any]:
    """Events of an AEDAT 1.0 or 2.0 file of a DVS128 (MNIST-DVS, CIFAR10-DVS).

    After lines of text, each event is an address (16 bits in 1.0, 32 in 2.0) and a time (32 bits,
    microseconds), both with the most significant byte first. Bits of the address::

        0: a, polarity    1-7: X    8-14: Y    15 (and 31): external event, left out

    The result with ``convention="jaer"`` is the picture that jAER shows, its rows counted from the
    top: ``x = 127 - X, y = 127 - Y, p = (a == 0)``. jAER's class DVS128 turns the columns round and
    takes a = 0 for *brighter*, and so does the ``dat2mat.m`` that comes with MNIST-DVS, which
    CIFAR10-DVS also refers to (iniVation's pages say that a = 1 is brighter: so it is only after
    jAER has turned it). SpikingJelly's CIFAR10-DVS has our x and y exchanged; tonic's
    ``read_dvs_128`` gives x = Y, y = X, p = a. With ``convention="raw"`` nothing is turned:
    x = X, y = Y, p = a.

    The clock has 32 bits: a step between events is understood modulo 2**32, as a number from
    -2**31 to 2**31 - 1, so a clock that begins again from 0 goes on here.

    Args:
        data: the content of the file.
        where: its name, for messages.
        sensor: its size; 128 x 128 if not given.
        version: the version that is expected. A file without a line that tells its version is
            read only if this is 1: the first recordings have none.
        convention: see above.
        backwards: what a step back in time is: an error, or (``"continue"``) a clock that was set back,
            after which time goes on from where it was; the latter is what ``dat2mat.m`` does.

    Returns:
        dtype :data:`~liafseq.tasks.dvs.events.EVENT`, (events,).

    Raises:
        ValueError: not this format; another camera's addresses; no events; outside the sensor; time
            runs backwards; with file and byte.

    >>> record = (3 << 8 | 2 << 1 | 1).to_bytes(4, "big") + (7).to_bytes(4, "big")
    >>> decode_aedat2(b"#!AER-DAT2.0\\r\\n" + record, "a.aedat").tolist()
    [(125, 124, 7, False)]
    """
    if convention not in ("jaer", "raw"):
        raise ValueError(f"convention should be 'jaer' or 'raw', got {convention!r}")
    if backwards not in ("error", "continue"):
        raise ValueError(f"backwards should be 'error' or 'continue', got {backwards!r}")
    named, begin = read_header(data, where)
    if named is None and version != 1:
        raise ValueError(
            f"{where}: byte 0: no line '#!AER-DAT2.0'; a recording from before there was such a line is "
            f"read as format 'aedat1'"
        )
    major = 1 if named is None else named[0]
    if major not in _RECORDS or (version is not None and major != version):
        expected = "AEDAT 1.0 or 2.0" if version is None else f"AEDAT {version}.0"
        raise ValueError(f"{where}: byte 0: AEDAT {named[0]}.{named[1]}, expected {expected}")  # type: ignore[index]
    record = _RECORDS[major]
    count, left = divmod(len(data) - begin, record.itemsize)
    records = np.frombuffer(data, record, count, begin)
    events = np.empty(count, EVENT)
    special = False
    last = 127 if convention == "jaer" else 0
    for start in range(0, count, CHUNK):
        chunk = slice(start, start + CHUNK)
        address = records["address"][chunk].astype(np.uint32)
        foreign = address & _FOREIGN
        if foreign.any():
            index = int((foreign != 0).argmax())
            raise ValueError(
                f"{where}: byte {begin + (start + index) * record.itemsize}: event {start + index}: address "
                f"{int(address[index]):#010x} has bits that a DVS128 does not: another camera's recording?"
            )
        special = special or bool((address & _SPECIAL).any())
        # 127 - X is X with all its seven bits turned, and so for the polarity.
        if last:
            address ^= np.uint32(0x7FFF)
        events["x"][chunk] = (address >> 1) & 127
        events["y"][chunk] = (address >> 8) & 127
        events["p"][chunk] = address & 1
        events["t"][chunk] = records["t"][chunk]
    kept: NDArray[np.bool_] | None = None
    if special:
        kept = (records["address"] & _SPECIAL) == 0
        events = events[kept]

    def offset_of(index: int) -> int:
        return begin + record.itemsize * (index if kept is None else int(np.flatnonzero(kept)[index]))

    if left:
        warn_truncated(where, begin + count * record.itemsize, record.itemsize, len(events))
    refuse_empty(len(events), where, begin)
    _unwrap(events, where, offset_of, backwards)
    check_events(events, sensor or DVS128, where, offset_of)
    return events


def _unwrap(events: NDArray[Any], where: str, offset_of: Callable[[int], int], backwards: Backwards) -> None:
    """Lets times of 32 bits go on where the clock began again; in place."""
    times = events["t"].astype(np.uint32)
    steps = np.diff(times).view(np.int32)
    back = steps < 0
    if backwards == "error" and back.any():
        index = int(back.argmax()) + 1
        raise ValueError(
            f"{where}: byte {offset_of(index)}: event {index}: time runs backwards, from "
            f"{int(times[index - 1])} to {int(times[index])} microseconds"
        )
    again = (times[1:] < times[:-1]) & ~back
    if again.any() or back.any():
        shift = again.astype(np.int64) << 32
        shift[back] = times[:-1][back]
        events["t"][1:] += np.cumsum(shift)
