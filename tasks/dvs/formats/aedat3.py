"""AEDAT 3.1, and the tables that cut the recordings of DVS128 Gesture into gestures.

iniVation's description: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html
"""

from __future__ import annotations

import re
import struct
from array import array
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events
from liafseq.tasks.dvs.formats.aedat2 import read_header
from liafseq.tasks.dvs.formats.common import CHUNK, refuse_empty, warn_truncated

__all__ = ["Cut", "decode_aedat3", "parse_cuts"]

_PACKET = struct.Struct("<hhiiiiii")
_POLARITY = 1
_FORMAT = re.compile(rb"^#Format:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.MULTILINE)
_RECORD = np.dtype([("data", "<u4"), ("t", "<u4")])


def decode_aedat3(data: bytes, where: str, sensor: Sensor | None = None) -> NDArray[Any]:
    """The polarity events of an AEDAT 3.1 file.

    Lines of text up to ``#!END-HEADER``, then packets: 28 bytes (type, source, bytes an event, where
    its time is, overflows of the clock, room, number, number of valid ones) and the events, the
    least significant byte first. A polarity event has 8 bytes: bit 0 valid, bit 1 brighter, bits
    2-16 row, bits 17-31 column; and 31 bits of microseconds, to which 2**31 are added for each
    overflow that its packet tells. Invalid events and packets of other types are left out. The
    origin is the upper left corner; columns and rows are given as recorded, as tonic does (to a
    viewer the gestures of DVS128 Gesture are mirrored).

    Args:
        data: the content of the file.
        where: its name, for messages.
        sensor: its size; without one, any column and row is accepted.

    Returns:
        dtype :data:`~liafseq.tasks.dvs.events.EVENT`, (events,).

    Raises:
        ValueError: not this format; a packet that contradicts itself; no events; outside the sensor;
            time runs backwards; with file and byte.
    """
    version, begin = read_header(data, where)
    if version is None:
        raise ValueError(f"{where}: byte 0: no line '#!AER-DAT3.1'")
    if version != (3, 1):
        raise ValueError(f"{where}: byte 0: AEDAT {version[0]}.{version[1]}, expected AEDAT 3.1")
    last = data.rfind(b"\n", 0, begin - 1) + 1
    if not data.startswith(b"#!END-HEADER", last):
        raise ValueError(f"{where}: byte {begin}: the header does not end with '#!END-HEADER'")
    told = _FORMAT.search(data, 0, begin)
    if told and told[1] != b"RAW":
        form = told[1][:80].decode("latin-1")
        raise ValueError(f"{where}: byte {told.start()}: format {form!r}; only 'RAW' is read")

    packets, cut = _packets(data, where, begin)
    offsets, counts, overflows = (np.frombuffer(column, np.int64) for column in packets)
    total = int(counts.sum())
    records = np.empty(total, _RECORD)
    starts = np.cumsum(counts) - counts
    # Bytes are copied with a quarter of the cost of arrays; packets may be small.
    source, target = memoryview(data), records.view(np.uint8).data
    begin_at = 0
    for offset, count in zip(packets[0], packets[1], strict=True):
        end_at = begin_at + count * _RECORD.itemsize
        target[begin_at:end_at] = source[offset : offset + end_at - begin_at]
        begin_at = end_at
    events = np.empty(total, EVENT)
    valid = np.empty(total, np.bool_)
    for start in range(0, total, CHUNK):
        chunk = slice(start, start + CHUNK)
        word = records["data"][chunk]
        events["x"][chunk] = word >> 17
        events["y"][chunk] = (word >> 2) & 0x7FFF
        events["p"][chunk] = word & 2
        events["t"][chunk] = records["t"][chunk]
        valid[chunk] = word & 1

    def at(record: int) -> int:
        packet = int(np.searchsorted(starts, record, "right")) - 1
        return int(offsets[packet]) + _RECORD.itemsize * (record - int(starts[packet]))

    negative = (events["t"] > 0x7FFFFFFF) & valid
    if negative.any():
        record = int(negative.argmax())
        raise ValueError(f"{where}: byte {at(record)}: time is {int(events['t'][record]) - 2**32}, below 0")
    if overflows.any():
        events["t"] += np.repeat(overflows << 31, counts)
    if not valid.all():
        events = events[valid]
    if cut is not None:
        warn_truncated(where, *cut, len(events))
    refuse_empty(len(events), where, begin)
    check_events(events, sensor, where, lambda index: at(int(np.flatnonzero(valid)[index])))
    return events


def _packets(
    data: bytes, where: str, begin: int
) -> tuple[tuple[array[int], array[int], array[int]], tuple[int, int] | None]:
    """Where the events of each polarity packet begin, their number, and the overflows of the clock.

    The second result is None, or (byte, size) of what the end of the file cuts off.
    """
    offsets, counts, overflows = array("q"), array("q"), array("q")
    size = len(data)
    while begin < size:
        if size - begin < _PACKET.size:
            return (offsets, counts, overflows), (begin, _PACKET.size)
        kind, _, each, time_at, overflow, room, number, valid = _PACKET.unpack_from(data, begin)
        if kind < 0 or each < 0 or overflow < 0 or not 0 <= valid <= number <= room:
            raise ValueError(
                f"{where}: byte {begin}: not the header of a packet: type {kind}, {each} bytes an event, "
                f"{overflow} overflows, room for {room}, {number} events, {valid} valid"
            )
        body = begin + _PACKET.size
        if kind == _POLARITY:
            if each != _RECORD.itemsize or time_at != 4:
                raise ValueError(
                    f"{where}: byte {begin}: polarity events of {each} bytes, time at {time_at}; "
                    f"expected {_RECORD.itemsize} and 4"
                )
            whole = min(number, (size - body) // _RECORD.itemsize)
            if whole:
                offsets.append(body)
                counts.append(whole)
                overflows.append(overflow)
            if whole < number:
                return (offsets, counts, overflows), (body + whole * each, each)
        begin = body + each * room
        if begin > size:
            return (offsets, counts, overflows), (body, each * room)
    return (offsets, counts, overflows), None


class Cut(NamedTuple):
    """A gesture within a recording: its class, counted from 0, and the microseconds ``begin <= t < end``."""

    label: int
    begin: int
    end: int
    line: int
    """The line of the table, from 1, for messages."""


def parse_cuts(data: bytes, where: str, classes: int) -> list[Cut]:
    """The table ``user*_labels.csv`` of DVS128 Gesture: class (from 1), begin and end in microseconds.

    Gestures may overlap by a little, as some published ones do.

    Raises:
        ValueError: not such a table, a class from outside 1 to ``classes``, an end that is not after its
            begin, or no gestures; with file and line.

    >>> parse_cuts(b"class,startTime_usec,endTime_usec\\n2,100,250\\n", "user01_led_labels.csv", 11)
    [Cut(label=1, begin=100, end=250, line=2)]
    """
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: byte {error.start}: not a table of gestures: not ASCII") from error
    lines = text.splitlines()
    if not lines or [word.strip() for word in lines[0].split(",")] != [
        "class",
        "startTime_usec",
        "endTime_usec",
    ]:
        raise ValueError(f"{where}:1: expected the line 'class,startTime_usec,endTime_usec'")
    cuts = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        words = [word.strip() for word in line.split(",")]
        # No time of 63 bits has more than 19 digits.
        if len(words) != 3 or not all(word.isdecimal() and len(word) < 19 for word in words):
            raise ValueError(f"{where}:{number}: expected three whole numbers, got {line[:80]!r}")
        label, begin, end = map(int, words)
        if not 1 <= label <= classes:
            raise ValueError(f"{where}:{number}: class {label}, expected 1 to {classes}")
        if end <= begin:
            raise ValueError(f"{where}:{number}: the gesture ends at {end}, not after its begin at {begin}")
        cuts.append(Cut(label - 1, begin, end, number))
    if not cuts:
        raise ValueError(f"{where}: no gestures")
    return cuts
