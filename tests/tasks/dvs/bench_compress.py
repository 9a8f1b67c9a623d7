"""How fast events become steps: processor time on one core, median of five.

python tests/tasks/dvs/bench_compress.py [events]
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from liafseq.tasks.dvs.compression import METHODS, Compression
from liafseq.tasks.dvs.compression.maps import compress
from liafseq.tasks.dvs.events import EVENT, Sensor


def main() -> None:
    count = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000
    chance = np.random.default_rng(0)
    events = np.empty(count, EVENT)
    events["t"] = np.sort(chance.integers(0, 1_000_000, count))
    for name, high in (("x", 128), ("y", 128), ("p", 2)):
        events[name] = chance.integers(0, high, count)
    print(f"{count} events, million a second")
    for method in METHODS:
        times = []
        for _ in range(5):
            begin = time.process_time()
            compress(events, Sensor(128, 128), Compression(method=method, steps=6, pool=2))
            times.append(time.process_time() - begin)
        print(f"{method:12}{count / statistics.median(times) / 1e6:8.0f}")


if __name__ == "__main__":
    main()
