"""Threads: parts of the work side by side, by the OpenMP that torch has loaded, else by threads of ours.

OpenMP's threads wait for work for a while before they sleep; they would take the processor from others.
"""

from __future__ import annotations

import ctypes
import os
import re
from array import array
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Pass"]


@cache
def _openmp() -> tuple[Any, int, int] | None:
    """GNU's OpenMP, if this process has it: what runs a team, and the addresses of two questions."""
    try:
        maps = Path("/proc/self/maps").read_text()
        found = re.search(r"/\S*/libgomp[^/\s]*", maps)
        if found is None:
            return None
        library = ctypes.CDLL(found[0])
        run = library.GOMP_parallel
        questions = [library.omp_get_thread_num, library.omp_get_num_threads]
    except (OSError, AttributeError):
        return None
    run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    run.restype = None
    number, count = (ctypes.cast(q, ctypes.c_void_p).value or 0 for q in questions)
    return run, number, count


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "liafseq")


if hasattr(os, "register_at_fork"):
    # a forked child has none of the parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


class Pass:
    """A compiled pass: its two functions, for one part and for a team of threads."""

    def __init__(self, one: int, team: int) -> None:
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        self.one, self.team = kind(one), team

    def __call__(self, table: array[int], parts: int) -> None:
        """Run with the arguments of each part, one after the other in ``table``."""
        address, length = table.buffer_info()
        if parts == 1:
            self.one(address)
            return
        openmp = _openmp()
        if openmp is not None:
            run, number, count = openmp
            task = array("q", [parts, address, number, count])
            run(self.team, task.buffer_info()[0], parts, 0)
            return
        size = length * table.itemsize
        first, *others = range(address, address + size, size // parts)
        waiting = [_pool(len(others)).submit(self.one, address) for address in others]
        self.one(first)
        for future in waiting:
            future.result()
