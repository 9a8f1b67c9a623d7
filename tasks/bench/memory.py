"""How much memory a training step takes beside what is there before it.

``extra`` is the peak of what torch's allocator holds during forward and backward beyond input,
parameters and the output's gradient: intermediates, output, gradients. ``kept`` is the part of it
that is still held between forward and backward, less the output and the final state: what the
backward pass needs. On a CPU every allocation of torch's is read from ``torch.profiler``, those that
live in numpy arrays from ``tracemalloc``; what compiled code keeps for itself is in neither. On a GPU
it is the allocator's own peak, of which ``kept`` is not split off.
"""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from liafseq.tasks.bench.competitors import layer_step

__all__ = ["Memory", "training_memory"]

MARK = "liafseq: the backward pass begins"


@dataclass(frozen=True)
class Memory:
    """Bytes of a training step; ``kept`` is None where it cannot be told."""

    extra: int
    kept: int | None


def training_memory(layer: nn.Module, x: Tensor) -> Memory:
    """Measures one training step, after one that fills caches."""
    step = layer_step(layer, (x,), "training")
    step()
    for tensor in (x, *layer.parameters()):
        tensor.grad = None
    if x.is_cuda:
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return Memory(torch.cuda.max_memory_allocated() - before, None)
    return _cpu(layer, x)


def _cpu(layer: nn.Module, x: Tensor) -> Memory:
    from torch.profiler import ProfilerActivity, profile, record_function

    # kineto writes to standard error below this level
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    gradient = torch.randn_like(layer(x)[0].detach())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        tracemalloc.start(1)
        try:
            output, state = layer(x)
            numpy_kept = _numpy_bytes()
            with record_function(MARK):
                pass
            output.backward(gradient)
            numpy_peak = tracemalloc.get_traced_memory()[1] if numpy_kept or _numpy_bytes() else 0
        finally:
            tracemalloc.stop()
    held = peak = kept = 0
    for event in _in_order(profiler):
        if event.name() == MARK:
            kept = held
        elif event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    tensors = [output, *(state if isinstance(state, tuple) else (state,))]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return Memory(peak + numpy_peak, kept + numpy_kept - sum(storages.values()))


def _in_order(profiler: Any) -> list[Any]:
    return sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns())


def _numpy_bytes() -> int:
    """What numpy arrays hold that were made since tracemalloc started."""
    import numpy as np

    domain = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([domain]).traces)
