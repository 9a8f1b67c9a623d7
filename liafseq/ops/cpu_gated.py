"""``ops.gated`` on a CPU, compiled by numba as ``ops.cpu`` is: one call for all steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops import gated
from liafseq.ops._blas import gemm_address
from liafseq.ops._cpu_layout import as_array, choices, cut, in_parts, learned, numbers, rows_of_steps
from liafseq.ops.gated import Flow, Gate, Loop

__all__ = ["recurrence"]


def _choices(neuron: Neuron, gate: Gate, real: Any) -> tuple[Any, ...]:
    # what is fed back is the output
    return gate.signed, gate.normalize, *choices(neuron, real)[1:]


def _forward(
    both: Tensor,
    potentials: Tensor,
    outputs: Tensor,
    weight_hh: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    r: Tensor,
    y: Tensor,
    u: Tensor,
    neuron: Neuron,
    gate: Gate,
    sizes: tuple[int, ...],
    reverse: bool,
) -> None:
    from liafseq.ops._cpu_kernels import gated_forward

    arrays = [t.detach().numpy() for t in (both, potentials, outputs)]
    weight = as_array(weight_hh, arrays[0])
    # spikes select whole rows of it
    by_input = weight if neuron.analog else weight.T.copy()
    gated_forward(
        gemm_address(r.dtype), *arrays, weight, by_input, *numbers((leak, threshold), r.shape[1], r, 1),
        *(t.detach().numpy() for t in (r, y, u)), *rows_of_steps(sizes, reverse),
        *_choices(neuron, gate, weight.dtype.type),
    )  # fmt: skip


def _backward(ctx: Any, grads: Sequence[Tensor | None]) -> Flow:
    from liafseq.ops._cpu_kernels import SURROGATE, gated_backward

    both, potentials, _, _, weight_hh, _, threshold, leak, r0, _ = ctx.saved_tensors
    neuron, (batch, hidden) = ctx.neuron, r0.shape
    g_out, g_y, g_u = grads
    back_r = torch.zeros(r0.shape, dtype=r0.dtype)
    back_y = back_r.clone() if g_y is None else g_y.clone(memory_format=torch.contiguous_format)
    to_u = back_r.clone() if g_u is None else g_u.contiguous()
    delta, y = torch.empty_like(both), torch.empty_like(potentials)
    u = potentials.numpy()
    real = u.dtype.type
    to_output = as_array(None if g_out is None else g_out.reshape(potentials.shape), u)
    state = [t.numpy() for t in (r0.detach().contiguous(), to_u, back_y, back_r)]
    starts, counts = rows_of_steps(ctx.sizes, ctx.reverse)
    learn = learned((False, *ctx.needs_input_grad[4:6]))
    surrogate = SURROGATE[neuron.surrogate], real(neuron.surrogate_width), neuron.detach_reset

    def call(low: int, high: int) -> np.ndarray:
        sums = np.zeros((2, hidden))
        first, last_u, last_y, last_r = (a[low:high] for a in state)
        gated_backward(
            gemm_address(r0.dtype), both.numpy(), u, as_array(weight_hh, u),
            *numbers((threshold,), hidden, r0, 1), first, to_output, last_u, last_y, last_r,
            delta.numpy(), y.numpy(), starts + low, np.clip(counts - low, 0, high - low),
            *_choices(neuron, ctx.gate, real), *surrogate, learn, sums,
        )  # fmt: skip
        return sums

    sums = sum(in_parts(cut(batch), call))
    own = [
        None if p is None else torch.from_numpy(row).to(p.dtype).sum_to_size(p.shape).clone()
        for p, row in zip((threshold, leak), sums, strict=True)
    ]
    return delta, y, own, back_r, back_y


recurrence = partial(gated.recurrence, loop=Loop(_forward, _backward))
"""As ``liafseq.ops.gated.reference``; for what ``liafseq.ops.cpu.supports`` says."""
