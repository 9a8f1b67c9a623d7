"""The backward pass of the compiled loop, and the products that make gradients of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops._blas import gemm_address
from liafseq.ops._cpu_layout import as_array, choices, cut, in_parts, numbers, repeats, rows_of_steps
from liafseq.ops.bptt import backward_products

__all__ = ["Backward", "gradients"]

_PIECE = 4096
"""Rows, over its steps, after which the backward pass forms its products: wide layers lose by fewer."""


class Backward:
    """The backward pass of the loop, of all steps or of some at a time, the last ones first.

    ``learn``: the bits 1, 2 and 4 for gradients of decay, threshold and leak; the others are zero.
    """

    def __init__(
        self,
        grads: Sequence[Tensor | None],
        potentials: Tensor,
        weight_hh: Tensor,
        decay: Tensor,
        threshold: Tensor,
        leak: Tensor | None,
        v0: Tensor,
        neuron: Neuron,
        sizes: Sequence[int],
        reverse: bool,
        learn: int,
    ) -> None:
        g_out, g_y, g_u = grads
        self.neuron, self.learn, self.own = neuron, learn, (decay, threshold, leak)
        self.dtype, (self.batch, self.hidden) = v0.dtype, v0.shape
        self.u = potentials.detach().numpy()
        self.to_output = as_array(None if g_out is None else g_out.reshape(potentials.shape), self.u)
        self.back_v = torch.zeros(v0.shape, dtype=v0.dtype)
        self.back_y = self.back_v.clone() if g_y is None else g_y.clone(memory_format=torch.contiguous_format)
        to_u = self.back_v.clone() if g_u is None else g_u.contiguous()
        self.state = [t.detach().numpy() for t in (to_u, self.back_y, self.back_v)]
        self.weight = as_array(weight_hh, self.u)
        joined = repeats(self.hidden, self.batch)
        self.numbers = numbers((decay, leak, threshold), self.hidden, v0, joined)
        self.starts, self.counts = rows_of_steps(sizes, reverse)
        self.sums = np.zeros((3, joined * self.hidden))
        self.seen = 0

    def run(self, first: int, last: int, delta: Tensor, read: Tensor) -> slice:
        """Steps ``first`` to ``last`` (not included), in forward order: dL/du, and what W_hh read from each.

        Returns:
            where the rows of these steps lie; ``delta`` and ``read`` have as many.
        """
        from liafseq.ops._cpu_kernels import SURROGATE, backward

        starts, counts = self.starts[first:last], self.counts[first:last]
        base = int(starts.min())
        rows = slice(base, base + int(counts.sum()))
        real = self.u.dtype.type
        neuron, seen, to_output = self.neuron, self.seen, self.to_output
        more = (SURROGATE[neuron.surrogate], real(neuron.surrogate_width), neuron.detach_reset, self.learn)

        def call(low: int, high: int) -> np.ndarray:
            sums = np.zeros_like(self.sums)
            backward(
                gemm_address(self.dtype), self.u[rows], self.weight, *self.numbers,
                to_output[rows] if len(to_output) else to_output,
                *(a[low:high] for a in self.state), delta.numpy(), read.numpy(), starts - base + low,
                np.clip(counts - low, 0, high - low), min(max(seen - low, 0), high - low),
                *choices(neuron, real), *more, sums,
            )  # fmt: skip
            return sums

        self.sums += sum(in_parts(cut(self.batch), call))
        self.seen = max(seen, int(counts.max()))
        return rows

    def whole(self) -> tuple[Tensor, Tensor, list[Tensor | None], Tensor, Tensor]:
        """dL/du of all steps, what W_hh read, and the ``rest``."""
        delta, read = torch.empty(self.u.shape, dtype=self.dtype), torch.empty(self.u.shape, dtype=self.dtype)
        self.run(0, len(self.counts), delta, read)
        return delta, read, *self.rest()

    def rest(self) -> tuple[list[Tensor | None], Tensor, Tensor]:
        """After all steps: gradients of decay, threshold, leak (if they learn), of v_0 and y_0."""
        if self.neuron.feedback != "output":  # then y_0 is not read
            self.back_y.zero_()
        sums = self.sums.reshape(3, -1, self.hidden).sum(1)
        own = [
            None if p is None else torch.from_numpy(row).to(p.dtype).sum_to_size(p.shape).clone()
            for p, row in zip(self.own, sums, strict=True)
        ]
        return own, self.back_v, self.back_y


def gradients(ctx: Any, grads: Sequence[Tensor | None], learn: int) -> tuple[Tensor | None, ...]:
    """All gradients of ``recurrence``, whose tensors ``ctx`` has saved after the potentials."""
    potentials, input, weight_ih, weight_hh, _, decay, threshold, leak, v0, _ = ctx.saved_tensors
    sizes = ctx.sizes
    steps = Backward(
        grads, potentials, weight_hh, decay, threshold, leak, v0, ctx.neuron, sizes, ctx.reverse, learn
    )
    piece = max(1, _PIECE // v0.shape[0])
    if weight_ih is None or input.dtype != v0.dtype or sizes[0] != sizes[-1] or piece >= len(sizes):
        return backward_products(ctx, *steps.whole())
    return _in_pieces(ctx, steps, piece)


def _in_pieces(ctx: Any, steps: Backward, piece: int) -> tuple[Tensor | None, ...]:
    """All gradients where every step has the whole batch, ``piece`` steps at a time.

    What is between the loop and the products stays in cache, and memory for all steps is not asked for.
    """
    _, input, weight_ih, weight_hh, bias, _, _, _, v0, r0 = ctx.saved_tensors
    need, count, batch = ctx.needs_input_grad, len(ctx.sizes), v0.shape[0]
    x = input.detach().reshape(-1, input.shape[-1])
    # one step more than a piece: the first of the piece before, whose partners are in this one
    around, read = (v0.new_empty((piece + more) * batch, v0.shape[1]) for more in (1, 0))
    result: list[Tensor | None] = [None] * 12
    for k, like in enumerate((x, weight_ih, weight_hh, bias)):
        if need[k]:
            make = torch.empty_like if k == 0 else torch.zeros_like
            result[k] = make(like, memory_format=torch.contiguous_format)
    d_input, d_ih, d_hh, d_bias = result[:4]
    oldest = torch.zeros_like(v0, memory_format=torch.contiguous_format)
    for last in range(count, 0, -piece):
        length = min(piece, last)
        partners, edge = slice(batch, (length + 1) * batch), slice(length * batch, (length + 1) * batch)
        own = slice(0, length * batch)
        if ctx.reverse:
            partners, own, edge = own, partners, slice(0, batch)
        around[edge] = oldest
        delta = around[own]
        rows = steps.run(last - length, last, delta, read[: length * batch])
        oldest = (delta[-batch:] if ctx.reverse else delta[:batch]).clone()
        if d_input is not None:
            torch.mm(delta, weight_ih, out=d_input[rows])
        if d_ih is not None:
            d_ih.addmm_(delta.t(), x[rows])
        if d_bias is not None:
            d_bias += delta.sum(0)
        if d_hh is not None:
            d_hh.addmm_(around[partners].t(), read[: length * batch])
    first = r0 if ctx.neuron.feedback == "output" else v0
    if d_hh is not None and first is not None:
        d_hh.addmm_(oldest.t(), first)
    if d_input is not None:
        result[0] = d_input.view(input.shape)
    found, back_v, back_y = steps.rest()
    for k, value in enumerate((*found, back_v, back_y)):
        result[4 + k] = value if need[4 + k] else None
    return tuple(result)
