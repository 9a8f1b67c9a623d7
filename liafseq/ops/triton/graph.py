"""Many launches of one kernel as a CUDA graph.

A captured launch has fixed arguments. So a graph holds CHUNK steps, and its kernels read the pointers and
the step from device memory: any number of steps of any tensors replays the same graph. What does not fit a
graph (no GPU, or a capture of somebody else, which makes a graph itself) is launched step by step.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

__all__ = ["CHUNK", "Chunk", "run"]

CHUNK = 64
"""Steps of a graph."""
ROOM = 32
"""Graphs that are kept, the least recently used ones go."""

Launch = Callable[[Tensor, Tensor, int], None]
"""Launches one step, given the table of pointers, the clock and the step's number after the clock's."""
Fill = Callable[[Tensor, Tensor], None]
"""Launches what writes pointers and steps to the table and the clock."""


class Chunk:
    """A captured graph of CHUNK steps, with the memory that it reads."""

    def __init__(self, launch: Launch, device: torch.device, slots: int, graph: Any = None) -> None:
        self.table, self.clock = _memory(device, slots)
        self.graph = graph or torch.cuda.CUDAGraph()
        # the clock says that there is no step left: what is launched to compile it touches nothing
        self.clock.copy_(torch.tensor([1, 1]))
        self.table.fill_(self.table.data_ptr())
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            launch(self.table, self.clock, 0)
            stream.synchronize()
            # other threads may go on with what a capture forbids in its own
            self.graph.capture_begin(capture_error_mode="thread_local")
            try:
                for index in range(CHUNK):
                    launch(self.table, self.clock, index)
                _advance(self.clock)
            finally:
                self.graph.capture_end()
        torch.cuda.current_stream(device).wait_stream(stream)

    def run(self, fill: Fill, steps: int) -> None:
        fill(self.table, self.clock)
        for _ in range(0, steps, CHUNK):
            self.graph.replay()


def _advance(clock: Tensor) -> None:
    clock[:1].add_(CHUNK)


_chunks: OrderedDict[Hashable, Chunk] = OrderedDict()
_lock = threading.Lock()


def _memory(device: torch.device, slots: int) -> tuple[Tensor, Tensor]:
    return tuple(torch.zeros(n, dtype=torch.int64, device=device) for n in (slots, 2))  # type: ignore[return-value]


def run(launch: Launch, fill: Fill, steps: int, slots: int, device: torch.device, key: Hashable) -> None:
    """``launch`` for all steps; ``key`` holds all that it launches with but for pointers and steps."""
    if device.type != "cuda" or steps < CHUNK // 2 or torch.cuda.is_current_stream_capturing():
        table, clock = _memory(device, slots)
        fill(table, clock)
        for step in range(steps):
            launch(table, clock, step)
        return
    # a stream's work is in order, so one table serves all calls of a stream
    key = (torch.cuda.current_stream(device), key)
    with _lock:
        chunk = _chunks.pop(key, None) or Chunk(launch, device, slots)
        _chunks[key] = chunk
        if len(_chunks) > ROOM:
            _chunks.popitem(last=False)
        chunk.run(fill, steps)
