"""Writes the formats that the package reads, event for event, after their descriptions."""

from __future__ import annotations

import io
import struct

import numpy as np

from liafseq.tasks.dvs.events import Sensor, make_events
from liafseq.tasks.dvs.formats import decode_events

AEDAT2_HEADER = b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
AEDAT3_HEADER = (
    b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
    b"#Start-Time: 2017-03-01 12:00:00 (TZ+0100)\r\n#!END-HEADER\r\n"
)


def random_events(count, *, width=128, height=128, seed=0, last=1_000_000):
    rng = np.random.default_rng(seed)
    return make_events(
        rng.integers(width, size=count),
        rng.integers(height, size=count),
        np.sort(rng.integers(last, size=count)),
        rng.integers(2, size=count),
    )


def write_nmnist(events):
    data = bytearray()
    for x, y, t, p in events.tolist():
        data += bytes([x, y]) + (p << 23 | t).to_bytes(3, "big")
    return bytes(data)


def write_aedat2(events, *, header=AEDAT2_HEADER, version=2, raw=False):
    data = bytearray(header)
    for x, y, t, p in events.tolist():
        address = y << 8 | x << 1 | p if raw else (127 - y) << 8 | (127 - x) << 1 | (not p)
        data += struct.pack(">HI" if version == 1 else ">II", address, t % 2**32)
    return bytes(data)


def packet(kind, body, *, each, number, overflow=0, room=None, valid=None, time_at=4):
    room = number if room is None else room
    valid = number if valid is None else valid
    return struct.pack("<hhiiiiii", kind, 1, each, time_at, overflow, room, number, valid) + body


def polarity(events, *, overflow=0, flags=None, **others):
    """A packet of polarity events; ``flags`` tells of each whether it is valid."""
    body = bytearray()
    flags = [True] * len(events) if flags is None else list(flags)
    for (x, y, t, p), flag in zip(events.tolist(), flags, strict=True):
        body += struct.pack("<II", x << 17 | y << 2 | p << 1 | flag, t % 2**31)
    others = {"number": len(events), "valid": sum(flags), **others}
    return packet(1, bytes(body), each=8, overflow=overflow, **others)


def write_aedat3(events, *, header=AEDAT3_HEADER, each=100):
    """Packets of at most ``each`` events; a new one where the clock overflows."""
    data = bytearray(header)
    for overflow in np.unique(events["t"] >> 31).tolist():
        part = events[events["t"] >> 31 == overflow]
        for begin in range(0, len(part), each):
            data += polarity(part[begin : begin + each], overflow=overflow)
    return bytes(data)


def write_npy(events):
    stream = io.BytesIO()
    np.save(stream, events, allow_pickle=False)
    return stream.getvalue()


def write_npz(events, *, compress=True):
    stream = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(stream, **{name: events[name] for name in "xytp"})
    return stream.getvalue()


def write_cuts(cuts):
    return "".join(
        ["class,startTime_usec,endTime_usec\n", *(f"{label},{begin},{end}\n" for label, begin, end in cuts)]
    ).encode()


SENSOR = Sensor(128, 128)
WRITERS = {
    "nmnist": (".bin", write_nmnist),
    "aedat1": (".aedat", lambda e: write_aedat2(e, header=b"#!AER-DAT1.0\r\n", version=1)),
    "aedat2": (".aedat", write_aedat2),
    "aedat3": (".aedat", write_aedat3),
    "npy": (".npy", write_npy),
    "npz": (".npz", write_npz),
}


def save(folder, form, data):
    """A file of the format, in the folder."""
    path = folder / f"a{WRITERS[form][0]}"
    path.write_bytes(data)
    return path


def decode(data, form, **options):
    """As from a file ``a`` with the ending of the format."""
    return decode_events(data, f"a{WRITERS[form][0]}", form, **options)


def put(path, data):
    """A file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
