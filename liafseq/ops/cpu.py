"""The time loop on a CPU, compiled by numba: one call for all steps, products by torch's own BLAS.

Same signature and results as ``ops.reference``. Kept for the backward pass are the membrane
potentials alone. With several torch threads the backward pass cuts a large batch into as many
parts, each of which runs through the whole sequence on its own: no thread waits for another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops._blas import can_limit_blas_threads, gemm_address, limit_blas_threads
from liafseq.ops.bptt import backward_products, differentiable_backward

__all__ = ["available", "recurrence", "run_backward", "run_forward", "supports"]

_LEAST_ROWS = 32
"""In the backward pass a thread's part of the batch has at least so many rows."""


# found out at import, without importing numba: a compiler cannot trace a look-up
_AVAILABLE = find_spec("numba") is not None and all(map(gemm_address, (torch.float32, torch.float64)))


def available() -> bool:
    """Whether numba is there and torch's BLAS can be called."""
    return _AVAILABLE


def supports(v0: Tensor, weight_ih: Tensor | None, weight_hh: Tensor | None) -> bool:
    """Whether the kernels serve this: a CPU, float32 or float64 throughout, not an empty batch."""
    if v0.device.type != "cpu" or v0.dtype not in (torch.float32, torch.float64) or v0.numel() == 0:
        return False
    return all(w is None or w.dtype == v0.dtype for w in (weight_ih, weight_hh)) and available()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    alone = limit_blas_threads if can_limit_blas_threads() else None
    return ThreadPoolExecutor(threads, "liafseq", initializer=alone)


if hasattr(os, "register_at_fork"):
    # a forked child has none of the parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _parts(batch: int) -> list[tuple[int, int]]:
    """The batch cut into parts for the threads."""
    threads = min(torch.get_num_threads(), batch // _LEAST_ROWS)
    if threads < 2 or not can_limit_blas_threads():
        return [(0, batch)]
    edges = [batch * i // threads for i in range(threads + 1)]
    return list(pairwise(edges))


def _steps(sizes: Sequence[int], reverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where each step's rows begin and how many there are, in the order in which the steps run."""
    counts = np.asarray(sizes, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return (starts[::-1].copy(), counts[::-1].copy()) if reverse else (starts, counts)


def _run(parts: list[tuple[int, int]], call: Callable[[int, int], Any]) -> list[Any]:
    if len(parts) == 1:
        return [call(*parts[0])]
    return list(_pool(len(parts)).map(lambda part: call(*part), parts))


def _choices(neuron: Neuron, real: Any) -> tuple[Any, ...]:
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


def _array(tensor: Tensor | None, like: np.ndarray) -> np.ndarray:
    return np.empty((0, 0), like.dtype) if tensor is None else tensor.detach().contiguous().numpy()


def _wide(value: Tensor | None, hidden: int, like: Tensor) -> np.ndarray:
    """A scalar or (H,) number of the neuron, one a neuron; None is zero."""
    if value is None:
        return like.new_zeros(hidden).numpy()
    return value.detach().to(like.dtype).expand(hidden).contiguous().numpy()


def run_forward(
    current: Tensor,
    weight_hh: Tensor | None,
    decay: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    v0: Tensor,
    r0: Tensor | None,
    neuron: Neuron,
    sizes: Sequence[int],
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs, last y and u, and the potentials of all steps, which take the memory of ``current``."""
    from liafseq.ops._cpu_kernels import forward

    hidden = v0.shape[1]
    potentials = current.reshape(-1, hidden).contiguous()
    # as the caller returns it: a view of it could not be changed in place
    outputs = torch.empty(current.shape, dtype=potentials.dtype)
    v = v0.detach().clone(memory_format=torch.contiguous_format)
    y = torch.zeros_like(v) if r0 is None else r0.detach().clone(memory_format=torch.contiguous_format)
    u = torch.empty_like(v)
    arrays = (potentials, outputs.view(potentials.shape), v, y, u)
    u_array, out_array, v_array, y_array, last = (t.detach().numpy() for t in arrays)
    weight = _array(weight_hh, u_array)
    # spikes select whole rows of it
    by_input = weight.T.copy() if not neuron.analog and neuron.feedback == "output" else weight
    numbers = [_wide(p, hidden, v0) for p in (decay, leak, threshold)]
    starts, counts = _steps(sizes, reverse)
    choices = _choices(neuron, u_array.dtype.type)

    # undivided: its products share the threads, which was measured to be faster than parts
    forward(
        gemm_address(v0.dtype), u_array[:0], u_array, out_array, weight, by_input, *numbers,
        v_array, y_array, last, starts, counts, *choices,
    )  # fmt: skip
    return outputs, y, u, potentials


def run_backward(
    grads: Sequence[Tensor | None],
    potentials: Tensor,
    weight_hh: Tensor | None,
    decay: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    v0: Tensor,
    neuron: Neuron,
    sizes: Sequence[int],
    reverse: bool,
    learn: bool,
) -> tuple[Tensor, Tensor, list[Tensor | None], Tensor, Tensor]:
    """delta = dL/du, what W_hh read, gradients of decay, threshold, leak (if ``learn``), of v_0 and y_0."""
    from liafseq.ops._cpu_kernels import SURROGATE, backward

    hidden = v0.shape[1]
    g_out, g_y, g_u = grads
    u_array = potentials.detach().numpy()
    real = u_array.dtype.type
    to_output = _array(None if g_out is None else g_out.reshape(potentials.shape), u_array)
    back_v = torch.zeros(v0.shape, dtype=v0.dtype)
    back_y = back_v.clone() if g_y is None else g_y.clone(memory_format=torch.contiguous_format)
    to_u = back_v.clone() if g_u is None else g_u.contiguous()
    delta = torch.empty_like(potentials)
    read = torch.empty_like(potentials) if weight_hh is not None else torch.empty_like(potentials[:0])
    arrays = [t.detach().numpy() for t in (to_u, back_y, back_v)]
    delta_array, read_array = delta.numpy(), read.numpy()
    weight = _array(weight_hh, u_array)
    numbers = [_wide(p, hidden, v0) for p in (decay, leak, threshold)]
    starts, counts = _steps(sizes, reverse)
    more = (SURROGATE[neuron.surrogate], real(neuron.surrogate_width), neuron.detach_reset, learn)

    def call(low: int, high: int) -> np.ndarray:
        sums = np.zeros((3, hidden))
        backward(
            gemm_address(v0.dtype), u_array, weight, *numbers, to_output,
            *(a[low:high] for a in arrays), delta_array, read_array,
            starts + low, np.clip(counts - low, 0, high - low), *_choices(neuron, real), *more, sums,
        )  # fmt: skip
        return sums

    sums = sum(_run(_parts(v0.shape[0]), call))
    if neuron.feedback != "output":  # then y_0 is not read
        back_y.zero_()
    own = [
        None if p is None else torch.from_numpy(row).to(p.dtype).sum_to_size(p.shape).clone()
        for p, row in zip((decay, threshold, leak), sums, strict=True)
    ]
    return delta, read, own, back_v, back_y


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight_ih: Tensor | None,
        weight_hh: Tensor | None,
        bias: Tensor | None,
        decay: Tensor,
        threshold: Tensor,
        leak: Tensor | None,
        v0: Tensor,
        r0: Tensor | None,
        neuron: Neuron,
        sizes: tuple[int, ...],
        reverse: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        current = input.clone() if weight_ih is None else F.linear(input, weight_ih, bias)
        outputs, y, u, potentials = run_forward(
            current, weight_hh, decay, threshold, leak, v0, r0, neuron, sizes, reverse
        )
        ctx.save_for_backward(potentials, input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0)
        ctx.neuron, ctx.sizes, ctx.reverse = neuron, sizes, reverse
        ctx.set_materialize_grads(False)
        return outputs, y, u

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        if torch.is_grad_enabled():
            return differentiable_backward(ctx, grads)
        potentials, _, _, weight_hh, _, decay, threshold, leak, v0, _ = ctx.saved_tensors
        learn = any(ctx.needs_input_grad[4:7])
        found = run_backward(
            grads,
            potentials,
            weight_hh,
            decay,
            threshold,
            leak,
            v0,
            ctx.neuron,
            ctx.sizes,
            ctx.reverse,
            learn,
        )
        return backward_products(ctx, *found)


def recurrence(
    input: Tensor,
    weight_ih: Tensor | None,
    weight_hh: Tensor | None,
    bias: Tensor | None,
    decay: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    v0: Tensor,
    r0: Tensor | None,
    neuron: Neuron,
    batch_sizes: tuple[int, ...] | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """As ``liafseq.ops.reference.recurrence``; for what ``supports`` says."""
    if weight_hh is None:
        from liafseq.ops import cpu_scan

        with torch.autocast("cpu", enabled=False):
            current = input if weight_ih is None else F.linear(input, weight_ih, bias)
        return cpu_scan.recurrence(current, decay, threshold, leak, v0, neuron, batch_sizes, reverse)
    sizes = batch_sizes if batch_sizes is not None else (v0.shape[0],) * input.shape[0]
    with torch.autocast("cpu", enabled=False):
        return _Recurrence.apply(
            input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0, neuron, sizes, reverse
        )
