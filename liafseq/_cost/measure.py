"""Time and memory of a forward pass, measured."""

from __future__ import annotations

import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["peak_bytes", "seconds"]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(call: Callable[[], Any], repeats: int, device: torch.device) -> float:
    """Median time of a call, after one that is not measured."""
    call()
    _wait(device)
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        _wait(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def peak_bytes(call: Callable[[], Any], device: torch.device) -> int:
    """The most that a call holds at a time beside what is there before it, its result included.

    On a GPU it is the allocator's own peak; on a CPU torch's allocations are read from
    ``torch.profiler``, those of numpy arrays from ``tracemalloc``. What compiled code keeps for
    itself is in neither.
    """
    if device.type == "cuda":
        _wait(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        _wait(device)
        return torch.cuda.max_memory_allocated(device) - before
    from torch.profiler import ProfilerActivity, profile

    # kineto writes to standard error below this level
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    tracing = tracemalloc.is_tracing()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        if not tracing:
            tracemalloc.start(1)
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            result = call()
            arrays = tracemalloc.get_traced_memory()[1] - before if _numpy_bytes() else 0
        finally:
            if not tracing:
                tracemalloc.stop()
    events = sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    held = peak = 0
    for event in events:
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    del result
    return peak + arrays


def _numpy_bytes() -> int:
    """What numpy arrays hold that were made since tracemalloc started."""
    import numpy as np

    domain = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([domain]).traces)
