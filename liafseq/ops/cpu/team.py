"""Threads: parts of the work side by side, by the OpenMP that torch has loaded, else by threads of ours.

OpenMP's threads wait for work for a while before they sleep; they would take the processor from others.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["Pass", "parts"]


@cache
def _openmp() -> tuple[Any, int, int] | None:
    """What runs a team of GNU's OpenMP, if this process has it, and the addresses of a thread's two questions."""
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


def parts(rows: int, least: int) -> list[tuple[int, int]]:
    """The batch cut for the threads, ``least`` rows each."""
    count = max(1, min(torch.get_num_threads(), rows // least))
    return [(rows * i // count, rows * (i + 1) // count) for i in range(count)]


class Pass:
    """A compiled pass: its two functions, for one part and for a team of threads."""

    def __init__(self, one: int, team: int) -> None:
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        self.one, self.team = kind(one), team

    def __call__(self, table: np.ndarray) -> None:
        """Run with the arguments in each row of ``table``."""
        if len(table) == 1:
            self.one(table.ctypes.data)
            return
        openmp = _openmp()
        if openmp is not None:
            run, number, count = openmp
            task = np.array([len(table), table.ctypes.data, number, count], np.int64)
            run(self.team, task.ctypes.data, len(table), 0)
            return
        first, *others = (row.ctypes.data for row in table)
        waiting = [_pool(len(others)).submit(self.one, address) for address in others]
        self.one(first)
        for future in waiting:
            future.result()


def rows_of_steps(sizes: Sequence[int], reverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where each step's rows begin and how many there are, in the order in which the steps run."""
    counts = np.asarray(sizes, dtype=np.int64)
    starts = np.cumsum(counts) - counts
    return (starts[::-1].copy(), counts[::-1].copy()) if reverse else (starts, counts)
