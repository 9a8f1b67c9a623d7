"""How the compiled loops read what they are given: rows of steps, parts for threads, numbers, choices."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops._blas import can_limit_blas_threads, limit_blas_threads

__all__ = ["as_array", "choices", "cut", "in_parts", "learned", "numbers", "repeats", "rows_of_steps"]

_LEAST_ROWS = 32
"""A thread's part of the batch has at least so many rows."""

_WIDTH = 512
"""Features to which narrower rows are joined: a loop of them costs less to begin than to do."""


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    alone = limit_blas_threads if can_limit_blas_threads() else None
    return ThreadPoolExecutor(threads, "liafseq", initializer=alone)


if hasattr(os, "register_at_fork"):
    # a forked child has none of the parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def cut(batch: int) -> list[tuple[int, int]]:
    """The batch cut into parts for the threads."""
    threads = min(torch.get_num_threads(), batch // _LEAST_ROWS)
    if threads < 2 or not can_limit_blas_threads():
        return [(0, batch)]
    edges = [batch * i // threads for i in range(threads + 1)]
    return list(pairwise(edges))


def rows_of_steps(sizes: Sequence[int], reverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where each step's rows begin and how many there are, in the order in which the steps run."""
    counts = np.asarray(sizes, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return (starts[::-1].copy(), counts[::-1].copy()) if reverse else (starts, counts)


def in_parts(parts: list[tuple[int, int]], call: Callable[[int, int], Any]) -> list[Any]:
    if len(parts) == 1:
        return [call(*parts[0])]
    return list(_pool(len(parts)).map(lambda part: call(*part), parts))


def choices(neuron: Neuron, real: Any) -> tuple[Any, ...]:
    from liafseq.ops import _cpu_kernels as kernels

    kind = kernels.ACTIVATION[neuron.activation] if neuron.analog else kernels.SPIKE
    soft = neuron.reset == "soft"
    return (
        kernels.FEEDBACK[neuron.feedback],
        kind,
        neuron.threshold_related,
        soft,
        real(neuron.v_reset),
        neuron.levels,
    )


def as_array(tensor: Tensor | None, like: np.ndarray) -> np.ndarray:
    return np.empty((0, 0), like.dtype) if tensor is None else tensor.detach().contiguous().numpy()


def repeats(hidden: int, batch: int) -> int:
    """How many rows are read as one."""
    return max(1, min(_WIDTH // hidden, batch))


def numbers(values: Sequence[Tensor | None], hidden: int, like: Tensor, joined: int) -> list[np.ndarray]:
    """Scalar or (H,) numbers of the neuron, one a neuron, as often as rows are joined; None is zero."""
    return [np.tile(_wide(value, hidden, like), joined) for value in values]


def _wide(value: Tensor | None, hidden: int, like: Tensor) -> np.ndarray:
    """A scalar or (H,) number of the neuron, one a neuron; None is zero."""
    if value is None:
        return like.new_zeros(hidden).numpy()
    return value.detach().to(like.dtype).expand(hidden).contiguous().numpy()


def learned(needed: Sequence[bool]) -> int:
    """The bits 1, 2, 4 of the three numbers of the neuron whose gradients are needed."""
    return sum(1 << k for k, need in enumerate(needed) if need)
