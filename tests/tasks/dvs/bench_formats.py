"""Decoding speed of the event files, in million events a second of processor time: median of 5.

python tests/tasks/dvs/bench_formats.py 1e7
"""

from __future__ import annotations

import io
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from liafseq.tasks.dvs.events import make_events
from liafseq.tasks.dvs.formats import read_events


def random_events(count: int, width: int, height: int, last: int) -> Any:
    rng = np.random.default_rng(0)
    time = np.sort(rng.integers(last, size=count))
    x, y = rng.integers(width, size=count), rng.integers(height, size=count)
    return make_events(x, y, time, rng.integers(2, size=count))


def nmnist(count: int) -> bytes:
    events = random_events(count, 34, 34, 2**23 - 1)
    raw = np.empty((count, 5), np.uint8)
    raw[:, 0], raw[:, 1] = events["x"], events["y"]
    word = events["p"].astype(np.int64) << 23 | events["t"]
    for byte in range(3):
        raw[:, 2 + byte] = word >> (16 - 8 * byte) & 255
    return raw.tobytes()


def aedat2(count: int, version: int) -> bytes:
    events = random_events(count, 128, 128, 60_000_000)
    raw = np.empty(count, [("address", ">u2" if version == 1 else ">u4"), ("t", ">u4")])
    x, y = 127 - events["x"].astype(int), 127 - events["y"].astype(int)
    raw["address"], raw["t"] = y << 8 | x << 1 | ~events["p"], events["t"]
    return b"#!AER-DAT%d.0\r\n" % version + raw.tobytes()


def aedat3(count: int, each: int) -> bytes:
    events = random_events(count, 128, 128, 60_000_000)
    raw = np.empty(count, [("address", "<u4"), ("t", "<u4")])
    x, y = events["x"].astype(int), events["y"].astype(int)
    raw["address"], raw["t"] = x << 17 | y << 2 | events["p"].astype(int) << 1 | 1, events["t"]
    out = bytearray(b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n")
    for begin in range(0, count, each):
        packet = raw[begin : begin + each]
        out += struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, len(packet), len(packet), len(packet))
        out += packet.tobytes()
    return bytes(out)


def saved(save: Callable[..., None], count: int) -> bytes:
    events, stream = random_events(count, 128, 128, 60_000_000), io.BytesIO()
    if save is np.save:
        save(stream, events)
    else:
        save(stream, **{name: events[name] for name in "xytp"})
    return stream.getvalue()


FILES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "nmnist": ("a.bin", nmnist),
    "aedat1": ("a1.aedat", lambda count: aedat2(count, 1)),
    "aedat2": ("a2.aedat", lambda count: aedat2(count, 2)),
    "aedat3, packets of 4096": ("a3.aedat", lambda count: aedat3(count, 4096)),
    "aedat3, packets of 256": ("b3.aedat", lambda count: aedat3(count, 256)),
    "npy": ("a.npy", lambda count: saved(np.save, count)),
    "npz": ("a.npz", lambda count: saved(np.savez, count)),
    "npz, compressed": ("b.npz", lambda count: saved(np.savez_compressed, count)),
}


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for title, (name, make) in FILES.items():
            path = Path(folder, name)
            path.write_bytes(make(count))
            seconds = []
            for _ in range(5):
                began = time.process_time()
                assert len(read_events(path)) == count
                seconds.append(time.process_time() - began)
            path.unlink()
            print(f"{title:24} {count / statistics.median(seconds) / 1e6:6.0f}")


if __name__ == "__main__":
    main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000)
