"""The CPU loop without feedback, where every neuron runs on its own: at the speed of memory.

Narrow rows, such as the channels of a pixel, are read as wider ones, and a block of rows stays in
cache from the first step to the last. Kept for the backward pass are the membrane potentials
alone, not even the currents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from liafseq.neurons import Neuron, advance
from liafseq.ops._cpu_layout import choices, in_parts, learned, numbers, rows_of_steps

__all__ = ["recurrence", "run_backward", "run_forward"]

_WIDTH, _WIDEST = 256, 1024
"""Features to which narrower rows are joined, and no more than the second."""
_BLOCK = 131072
"""Features a block."""
_LEAST = 32768
"""Potentials a thread, at least."""


@lru_cache(maxsize=256)
def _joined(hidden: int, sizes: tuple[int, ...]) -> int:
    """How many rows are read as one: a divisor of the rows of every step."""
    common = math.gcd(*sizes)
    divisors = [k for k in range(1, min(max(1, _WIDEST // hidden), common) + 1) if common % k == 0]
    return next((k for k in divisors if k * hidden >= _WIDTH), divisors[-1])


class _Shape:
    """Rows as the kernels read them: joined, in steps, blocks and parts."""

    def __init__(self, v0: Tensor, sizes: Sequence[int], reverse: bool) -> None:
        batch, self.hidden = v0.shape
        self.joined = _joined(self.hidden, tuple(sizes))
        self.width = self.hidden * self.joined
        self.starts, self.counts = rows_of_steps([size // self.joined for size in sizes], reverse)
        self.block = max(1, _BLOCK // self.width)
        rows = batch // self.joined
        work = int(self.counts.sum()) * self.width
        threads = max(1, min(torch.get_num_threads(), work // _LEAST, rows))
        self.parts = list(pairwise(rows * i // threads for i in range(threads + 1)))

    def array(self, tensor: Tensor | None, like: Tensor) -> np.ndarray:
        if tensor is None:
            return like.new_empty(0, self.width).numpy()
        return tensor.detach().reshape(-1, self.width).contiguous().numpy()

    def numbers(self, values: Sequence[Tensor | None], like: Tensor) -> list[np.ndarray]:
        return numbers(values, self.hidden, like, self.joined)


def run_forward(
    current: Tensor,
    decay: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    v0: Tensor,
    neuron: Neuron,
    sizes: Sequence[int],
    reverse: bool,
    keep: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs, last y and u, and with ``keep`` the potentials of all steps; ``current`` is only read."""
    from liafseq.ops._cpu_kernels import forward_blocks

    shape = _Shape(v0, sizes, reverse)
    currents = shape.array(current, v0)
    # as they are returned: views of them could not be changed in place
    outputs = torch.empty(current.shape, dtype=v0.dtype)
    potentials = torch.empty_like(outputs if keep else outputs[:0])
    arrays = [t.view(-1, shape.width).numpy() for t in (potentials, outputs)]
    v = v0.detach().clone(memory_format=torch.contiguous_format)
    y, u = torch.empty_like(v), torch.empty_like(v)
    state = [t.view(-1, shape.width).numpy() for t in (v, y, u)]
    numbers = shape.numbers((decay, leak, threshold), v0)
    more = choices(neuron, currents.dtype.type)[1:]

    def call(low: int, high: int) -> None:
        forward_blocks(
            currents, *arrays, *numbers, *state,
            shape.starts, shape.counts, low, high, shape.block, *more,
        )  # fmt: skip

    in_parts(shape.parts, call)
    return outputs, y, u, potentials


def run_backward(
    grads: Sequence[Tensor | None],
    potentials: Tensor,
    decay: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    v0: Tensor,
    neuron: Neuron,
    sizes: Sequence[int],
    reverse: bool,
    learn: int,
) -> tuple[Tensor, list[Tensor | None], Tensor]:
    """delta = dL/du, gradients of decay, threshold, leak (those of the bits of ``learn``), and of v_0."""
    from liafseq.ops._cpu_kernels import SURROGATE, backward_blocks

    shape = _Shape(v0, sizes, reverse)
    g_out, g_y, g_u = grads
    u_array = shape.array(potentials, v0)
    real = u_array.dtype.type
    to_output = shape.array(g_out, v0)
    back_v = torch.zeros(v0.shape, dtype=v0.dtype)
    back_y = torch.zeros_like(back_v) if g_y is None else g_y.clone(memory_format=torch.contiguous_format)
    to_u = torch.zeros_like(back_v) if g_u is None else g_u.contiguous()
    state = [t.detach().view(-1, shape.width).numpy() for t in (to_u, back_y, back_v)]
    delta = np.empty_like(u_array)
    numbers = shape.numbers((decay, leak, threshold), v0)
    more = (
        *choices(neuron, real)[1:],
        SURROGATE[neuron.surrogate],
        real(neuron.surrogate_width),
        neuron.detach_reset,
        learn,
    )

    def call(low: int, high: int) -> np.ndarray:
        sums = np.zeros((3, shape.width))
        backward_blocks(
            u_array, *numbers, to_output, *state, delta,
            shape.starts, shape.counts, low, high, shape.block, *more, sums,
        )  # fmt: skip
        return sums

    sums = sum(in_parts(shape.parts, call)).reshape(3, shape.joined, shape.hidden).sum(1)
    own = [
        None if p is None else torch.from_numpy(row).to(p.dtype).sum_to_size(p.shape).clone()
        for p, row in zip((decay, threshold, leak), sums, strict=True)
    ]
    return torch.from_numpy(delta).view(potentials.shape), own, back_v


def _differentiable_backward(
    grads: Sequence[Tensor | None],
    potentials: Tensor,
    numbers: Sequence[Tensor | None],
    v0: Tensor,
    neuron: Neuron,
    sizes: tuple[int, ...],
    reverse: bool,
) -> tuple[Tensor, list[Tensor | None], Tensor]:
    """The same in torch operations; ``grads`` may hold one of the potentials too.

    The potentials carry the graph of what they came from. Numbers go by other names here, so that
    their gradients below are those with the potentials held fixed.
    """
    g_out, g_y, g_u, g_potentials = grads
    with torch.enable_grad():
        # leaves, unless a double backward wants more of them
        leaves: list[Any] = [
            None if t is None else t.view_as(t) if t.requires_grad else t.detach().requires_grad_()
            for t in (potentials.reshape(-1, v0.shape[1]), *numbers)
        ]
        u, *given = leaves
        choices = (*leaves, neuron)
        y, v = advance(*choices)
        ones = torch.ones_like(u)
        (dy,) = torch.autograd.grad(y, u, ones, create_graph=True)
        (dv,) = torch.autograd.grad(v, u, ones, create_graph=True)
    zeros = torch.zeros_like(u)
    to_y = (zeros if g_out is None else g_out.reshape(u.shape)).split(sizes)
    to_u = (zeros if g_potentials is None else g_potentials.reshape(u.shape)).split(sizes)
    steps = list(zip(to_y, to_u, dy.split(sizes), dv.split(sizes), strict=True))
    order = range(len(sizes)) if reverse else range(len(sizes) - 1, -1, -1)
    y_parts, v_parts, deltas = ([u] * len(sizes) for _ in range(3))
    from_v, seen = torch.zeros_like(v0[:0]), 0
    for t in order:
        gy, gu, a, b = steps[t]
        rows = gy.shape[0]
        if seen < rows:  # where sequences end
            gy, gu = (
                g if end is None else torch.cat([g[:seen], g[seen:] + end[seen:rows]])
                for g, end in ((gy, g_y), (gu, g_u))
            )
            from_v = torch.cat([from_v, torch.zeros_like(v0[seen:rows])])
            seen = rows
        y_parts[t], v_parts[t] = gy, from_v[:rows]
        deltas[t] = gy * a + from_v[:rows] * b + gu
        from_v = torch.cat([deltas[t], from_v[rows:]])
    found = iter(
        torch.autograd.grad(
            (y, v), [p for p in given if p is not None], (torch.cat(y_parts), torch.cat(v_parts)),
            create_graph=torch.is_grad_enabled(), allow_unused=True,
        )
    )  # fmt: skip
    own = []
    for p in given:
        g = None if p is None else next(found)
        own.append(torch.zeros_like(p) if g is None and p is not None else g)
    return torch.cat(deltas).view(potentials.shape), own, from_v


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        current: Tensor,
        decay: Tensor,
        threshold: Tensor,
        leak: Tensor | None,
        v0: Tensor,
        neuron: Neuron,
        sizes: tuple[int, ...],
        reverse: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        # the potentials are a result, so that a double backward finds their graph
        found = run_forward(current, decay, threshold, leak, v0, neuron, sizes, reverse)
        ctx.save_for_backward(found[3], decay, threshold, leak, v0)
        ctx.neuron, ctx.sizes, ctx.reverse = neuron, sizes, reverse
        ctx.set_materialize_grads(False)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        potentials, decay, threshold, leak, v0 = ctx.saved_tensors
        numbers = (decay, threshold, leak)
        rest = (ctx.neuron, ctx.sizes, ctx.reverse)
        if torch.is_grad_enabled() or grads[3] is not None:
            delta, own, back_v = _differentiable_backward(grads, potentials, numbers, v0, *rest)
        else:
            learn = learned(ctx.needs_input_grad[1:4])
            delta, own, back_v = run_backward(grads[:3], potentials, *numbers, v0, *rest, learn)
        return delta, *own, back_v, None, None, None


def recurrence(
    current: Tensor,
    decay: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    v0: Tensor,
    neuron: Neuron,
    batch_sizes: tuple[int, ...] | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """``liafseq.ops.reference.recurrence`` of given currents without W_hh."""
    sizes = batch_sizes if batch_sizes is not None else (v0.shape[0],) * current.shape[0]
    tensors = (current, decay, threshold, leak, v0)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return _Scan.apply(*tensors, neuron, sizes, reverse)[:3]
    return run_forward(*tensors, neuron, sizes, reverse, keep=False)[:3]
