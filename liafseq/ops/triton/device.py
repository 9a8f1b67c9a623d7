"""What there is to run on, and what fits there."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

__all__ = ["fits", "interpreted", "padded", "precision", "shared_memory"]

SHARED_MEMORY = 160 * 1024
"""Bytes of shared memory a program may have on compute capability 8.0, the smaller one of 8.0 and 9.0."""
BESIDE = 32 * 4
"""Bytes for each neuron beside W_hh: what it reads, and tiles on their way from one layout to another."""


@functools.cache
def interpreted() -> bool:
    """Whether the kernels were defined for Triton's interpreter, which is settled when they are imported."""
    import triton

    from liafseq.ops.triton import loop

    return not isinstance(loop.forward, triton.JITFunction)


def padded(hidden: int) -> int:
    return max(16, 1 << (hidden - 1).bit_length())


def precision(weight: Tensor | None) -> str:
    """How float32 operands are multiplied: as torch's setting for matrix products says."""
    if weight is None or weight.dtype != torch.float32:
        return "ieee"
    matmul = torch.backends.cuda.matmul
    # torch refuses to tell the older setting where the newer one was made
    newer = getattr(matmul, "fp32_precision", None)
    tf32 = newer == "tf32" if newer is not None else matmul.allow_tf32
    return "tf32" if tf32 else "ieee"


def shared_memory(device: torch.device) -> int:
    if device.type != "cuda":
        return SHARED_MEMORY
    return _shared_memory(device.index if device.index is not None else torch.cuda.current_device())


@functools.cache
def _shared_memory(index: int) -> int:
    properties = torch.cuda.get_device_properties(index)
    return getattr(properties, "shared_memory_per_block_optin", 0) or 64 * 1024


def fits(hidden: int, dtype: torch.dtype, blocks: int, device: torch.device | str = "cpu") -> bool:
    """Whether W_hh stays on one multiprocessor: its padded matrices and what they read of a tile of rows.

    With the shared memory of compute capability 8.0, hidden sizes up to 128 in float32 and up to 256 in 16
    bits, with a gate the same in float32 and up to 128 in 16 bits:

    >>> [fits(h, torch.float32, 1) for h in (100, 128, 129)]
    [True, True, False]
    >>> [fits(h, torch.bfloat16, 1) for h in (128, 256, 257)]
    [True, True, False]
    >>> [fits(h, torch.float32, 2) for h in (64, 128, 129)], [fits(h, torch.bfloat16, 2) for h in (128, 129)]
    ([True, True, False], [True, False])
    """
    size = padded(hidden)
    needed = blocks * size * size * dtype.itemsize + size * BESIDE
    return needed <= shared_memory(torch.device(device))
